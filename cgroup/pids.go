package cgroup

// PIDs is how many processes and threads a cgroup has with all its descendants.
type PIDs struct {
	// Current is how many there are now.
	Current Value
	// Max is the limit of the cgroup itself. It is not known where there is
	// none.
	Max Value
}

func pidsFiles() []string { return []string{"pids.current", "pids.max"} }

// PIDs reads the number of processes and threads, on the same terms as Pressure.
func (r *Reader) PIDs(buf *Buffer, p *PIDs) error {
	*p = PIDs{}
	if r.h.pids.dir == "" {
		return nil
	}
	f := r.files(&r.pids, r.h.pids, pidsFiles())
	errCurrent := r.parseAside(&f[0], buf, func(text []byte) (err error) {
		p.Current, err = parseNumber(text)
		return err
	})
	return join(errCurrent, r.limit(&f[1], buf, &p.Max))
}
