package token

import "time"

// Check and RenewAfter are what tests see of the inside.
var (
	Check      = check
	RenewAfter = renewAfter
)

// Complaint is what an error tells of kubectl's standard error.
func Complaint(stderr, stdout []byte) string {
	kept := tail{max: maxStderr}
	_, _ = kept.Write(stderr)
	return complaint(&kept, stdout)
}

// Limit sets the time that kubectl gets.
func (s *Source) Limit(d time.Duration) { s.limit = d }
