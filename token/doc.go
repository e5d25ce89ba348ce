// Package token gets the bearer token with which a program shows the Kubernetes
// API server who it is, keeps it fresh, and puts it on requests.
//
// A Config says where tokens come from: the file that the kubelet keeps in
// every pod, any other file, kubectl, or whichever of the two is there. A
// Source made from it hands out the token and gets a new one when the old one
// is due or was refused. A Transport puts the token on the requests to one
// server, and on no others.
//
// Tokens are opaque: nothing here needs them to be JWTs. No token is ever part
// of an error or of the text of a value. The package starts no goroutines and
// imports the standard library only.
package token
