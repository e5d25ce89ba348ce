package prometheus

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// K7, S10: two scrapers at different rhythms, or none, change no number: in the end the page
// is the same, to the byte.
func TestScrapersChangeNoNumber(t *testing.T) {
	m := newMetrics()
	alone, scraped := openDefault(t, m.all()...), openDefault(t, m.all()...)
	random := rand.New(rand.NewPCG(3, 5))
	var pods []*pod
	scrapes := 0
	for window := range 100 {
		if random.IntN(3) == 0 {
			name := strconv.Itoa(window)
			pods = append(pods, m.newPod("web-"+name, "u-"+name))
		}
		ended := -1
		if len(pods) > 3 && random.IntN(4) == 0 {
			ended = random.IntN(len(pods))
		}
		energy := random.Uint64N(100_000_000)
		fill := func(b *measure.Batch) {
			for i, x := range pods {
				if x.sample(b); i == ended {
					b.Retire(x.series()...)
				}
			}
			if len(pods) > 0 {
				b.Samples = b.Samples[:len(b.Samples)-1]
				b.Uint(pods[len(pods)-1].dram, energy)
			}
		}
		alone.next(t, fill)
		scraped.next(t, fill)
		if ended >= 0 {
			pods = append(pods[:ended:ended], pods[ended+1:]...)
		}
		for range window % 3 { // one comes often, and twice in some windows
			scraped.scrape(t, text)
			scrapes++
		}
		if window%7 == 0 {
			scraped.scrape(t, openMetrics)
			scrapes++
		}
	}
	for _, accept := range []string{text, openMetrics} {
		without, with := alone.scrape(t, accept), scraped.scrape(t, accept)
		if diff := cmp.Diff(without, with); diff != "" {
			t.Errorf("%s after %d scrapes: -without +with\n%s", accept, scrapes, diff)
		}
		if len(without) < 10_000 {
			t.Errorf("only %d bytes are compared", len(without))
		}
	}
}
