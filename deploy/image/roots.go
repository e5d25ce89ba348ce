package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// roots is the file of certificate authorities that servers outside of the cluster are
// verified with: those that Mozilla trusts, as the Go project publishes them, in a module
// whose version go.mod pins. The file of the machine that builds would be another on each.
//
// An authority that is trusted under a condition (for certificates of before some day) is
// left out: a file cannot tell the condition.
func roots() ([]byte, error) {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("write the certificate authorities: %w", err)
		}
	}
	if all.Len() == 0 {
		return nil, errors.New("the module of certificate authorities has none: is it another one than go.mod says?")
	}
	return all.Bytes(), nil
}
