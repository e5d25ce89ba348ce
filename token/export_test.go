package token

import "time"

// Check and RenewAfter are what tests see of the inside.
var (
	Check      = check
	RenewAfter = renewAfter
)

// Limit sets the time that kubectl gets.
func (s *Source) Limit(d time.Duration) { s.limit = d }
