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

// output encodes batches and hands them to the sink, or to the stream where a
// reader may stop reading. Rows that the sink did not take wait for the next
// batch, so that an error neither loses a row nor leaves half of one.
type output struct {
	rows    *encoder
	sink    *sink
	stream  *stream  // nil: rows go straight to the sink
	archive *archive // nil: files are not rotated
	waiting []byte
	lost    metric.Int64Counter
	// before is of the output that this one replaces, until the first batch; or nil.
	before *sink
}

// Write adds the rows of a batch, in one write.
func (o *output) Write(ctx context.Context, b *measure.Batch) error {
	o.before = nil
	defer o.rows.forget(b.Ended)
	if err := o.full(); err != nil {
		o.lost.Add(ctx, int64(len(b.Samples)))
		return fmt.Errorf("%w, so the %d rows of this batch are lost", err, len(b.Samples))
	}
	if o.stream != nil {
		return o.stream.push(func(dst []byte) ([]byte, error) { return o.rows.append(dst, b) })
	}
	earlier := len(o.waiting)
	var rowErr, rotateErr error
	o.waiting, rowErr = o.rows.append(o.waiting, b)
	if earlier == 0 { // what is left of an earlier batch belongs in the file that it began in
		rotateErr = o.sink.rotateFor(len(o.waiting), b.End)
	}
	err := o.flush()
	if err != nil {
		err = fmt.Errorf("%w; %d bytes of rows wait for the next batch", err, len(o.waiting))
	}
	return errors.Join(rowErr, rotateErr, err)
}

// full returns an error when no more rows may wait.
func (o *output) full() error {
	if o.stream != nil {
		return o.stream.full()
	}
	if len(o.waiting) <= maxWaiting {
		return nil
	}
	if err := o.flush(); err != nil {
		return fmt.Errorf("%w; %d bytes of rows wait", err, len(o.waiting))
	}
	return nil
}

// Run writes to a reader that may stop reading, or compresses and removes rotated
// files, until the context ends.
func (o *output) Run(ctx context.Context) error {
	switch {
	case o.stream != nil:
		return o.stream.run(ctx)
	case o.archive != nil:
		return o.archive.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// Ready says which rotated file could not be compressed or removed, and why.
func (o *output) Ready() error {
	if o.archive == nil {
		return nil
	}
	return o.archive.ready()
}

// Close writes the rows that wait and closes the file. Standard output stays
// open. One that was not written to in another's place writes no header either.
func (o *output) Close() error {
	if o.before != nil { // it goes on, as another plugin could not be opened
		o.before.replaced.Store(false)
		return o.sink.close()
	}
	if o.stream != nil {
		var err error
		if left := o.stream.left(); left > 0 {
			err = fmt.Errorf("write to %s: %d bytes of rows are lost, since nobody read them", o.stream.file.Name(), left)
		}
		return errors.Join(err, o.sink.close())
	}
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
