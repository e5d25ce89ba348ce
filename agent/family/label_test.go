package family

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/plugin"
)

func TestAsLabels(t *testing.T) {
	keys := []string{"annotation:Example.org/my-note", "label:app.kubernetes.io/name", "name", "workload_kind"}
	for _, tt := range []struct {
		renames plugin.Renames
		want    plugin.Renames
	}{
		{nil, plugin.Renames{"annotation:Example.org/my-note": "annotation_Example_org_my_note",
			"label:app.kubernetes.io/name": "label_app_kubernetes_io_name", "name": "name", "workload_kind": "workload_kind"}},
		{plugin.Renames{"label:app.kubernetes.io/name": "app", "name": "pod", "gone": "x"},
			plugin.Renames{"annotation:Example.org/my-note": "annotation_Example_org_my_note",
				"label:app.kubernetes.io/name": "app", "name": "pod", "workload_kind": "workload_kind"}},
	} {
		if diff := cmp.Diff(tt.want, asLabels(keys, tt.renames)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.renames, diff)
		}
	}
}
