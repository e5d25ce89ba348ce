package csv

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
)

// maxWaiting is how many bytes of rows may wait for a sink that takes none. A
// batch of 110 pods has about 300 kB.
const maxWaiting = 16 << 20

// output encodes batches and hands them to the sink. Rows that the sink did not
// take wait for the next batch, so that an error neither loses a row nor leaves
// half of one.
type output struct {
	rows    *encoder
	sink    *sink
	waiting []byte
	lost    metric.Int64Counter
}

// Write adds the rows of a batch, in one write.
func (o *output) Write(ctx context.Context, b *measure.Batch) error {
	defer o.rows.forget(b.Ended)
	if len(o.waiting) > maxWaiting {
		if err := o.flush(); err != nil {
			o.lost.Add(ctx, int64(len(b.Samples)))
			return fmt.Errorf("%w; %d bytes of rows wait, so the %d rows of this batch are lost",
				err, len(o.waiting), len(b.Samples))
		}
	}
	var rowErr error
	o.waiting, rowErr = o.rows.append(o.waiting, b)
	err := o.flush()
	if err != nil {
		err = fmt.Errorf("%w; %d bytes of rows wait for the next batch", err, len(o.waiting))
	}
	return errors.Join(rowErr, err)
}

// Close writes the rows that wait and closes the file. Standard output stays
// open.
func (o *output) Close() error {
	err := o.flush()
	if err != nil {
		err = fmt.Errorf("%w; %d bytes of rows are lost", err, len(o.waiting))
	}
	return errors.Join(err, o.sink.close())
}

func (o *output) flush() error {
	var err error
	o.waiting, err = o.sink.write(o.waiting)
	return err
}
