// Package sysfs is a library that reads what the kernel's drivers show in files of one
// value each, such as the counters of energy meters. Files stay open: reading one from its
// start makes the driver tell a new value.
//
// It knows no meter. What the files are called and what they mean is the plugins'.
package sysfs
