// Package simnode is a simulated Kubernetes node whose truth is known.
//
// It has three parts that can be used alone. API is a small Kubernetes API
// server for pods: list, watch, tokens, and faults on demand. Tree is a cgroup
// tree of plain files that look like what the kernel and the kubelet make.
// Cgroups runs real processes in real cgroups of this machine. A Node puts them
// together and plays a script of pods that come, work and go, so that what an
// agent reports can be held against what was really used.
package simnode
