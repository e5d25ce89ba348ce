package k8s

import (
	"strconv"
	"strings"
	"time"
)

// traits is what a pod says about itself, as far as attributes are made of it.
// Labels and annotations that nobody asked for may be missing.
type traits struct {
	node                string // on which it runs
	static              bool   // or the mirror of a static pod
	labels, annotations map[string]string
	controller          owner // zero without one
	created             time.Time
	phase               string
}

// owner is the object that a pod belongs to.
type owner struct{ apiVersion, kind, name string }

// labelTemplateHash has the part of a ReplicaSet's name that its Deployment added.
const labelTemplateHash = "pod-template-hash"

// workload returns what runs the pod, as people know it: the Deployment of its
// ReplicaSet and the CronJob of its Job where the pod itself tells them, else its
// controller. A static pod belongs to its node. The zero value means that nothing
// runs the pod: somebody made it by hand.
func (p *traits) workload() owner {
	c := p.controller
	switch {
	case c.name == "" || c.kind == "":
		if p.static { // the kubelet tells no owner of it, unlike the API server
			return owner{"v1", "Node", p.node}
		}
		return owner{}
	case c.kind == "ReplicaSet" && strings.HasPrefix(c.apiVersion, "apps/"):
		hash := p.labels[labelTemplateHash]
		if name, ok := strings.CutSuffix(c.name, "-"+hash); ok && hash != "" && name != "" {
			return owner{c.apiVersion, "Deployment", name}
		}
	case c.kind == "Job" && strings.HasPrefix(c.apiVersion, "batch/"):
		if name, ok := scheduled(c.name, p.created); ok {
			return owner{c.apiVersion, "CronJob", name}
		}
	}
	return c
}

// A CronJob's Job is named after the minute for which it was scheduled, counted
// since 1970. Its pods are made within latePod of that, retries included, and not
// before it, but for clocks that differ by clockSkew.
const (
	latePod   = 24 * time.Hour
	clockSkew = 5 * time.Minute
)

// scheduled returns the name of the CronJob that made a Job, told from the Job's
// name and from when its pod was made. The number at the name's end must be a
// minute shortly before that: other Jobs are numbered too.
//
// The names are made in Kubernetes: pkg/controller/cronjob/utils.go.
func scheduled(job string, created time.Time) (cronJob string, ok bool) {
	i := strings.LastIndexByte(job, '-')
	if i <= 0 || created.IsZero() {
		return "", false
	}
	text := job[i+1:]
	minute, err := strconv.ParseUint(text, 10, 32)
	if err != nil || strconv.FormatUint(minute, 10) != text {
		return "", false
	}
	passed := created.Sub(time.Unix(int64(minute)*60, 0))
	return job[:i], -clockSkew <= passed && passed <= latePod
}
