package simnode

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// stage is how far a pod has come.
type stage uint8

const (
	waiting stage = iota
	running       // its containers run
	ended         // they have ended, the sandbox is there
	emptied       // the pod's cgroup is empty
	over          // nothing is left of it
)

// actor is a pod of the script while it is played.
type actor struct {
	ScriptedPod
	pod   *corev1.Pod
	stage stage
	due   time.Duration // when the next stage follows, once it has ended
}

// advance takes a pod to its next stage when that is due.
func (n *Node) advance(a *actor, t time.Duration) error {
	uid := string(a.pod.UID)
	switch {
	case a.stage == waiting && t >= a.Born:
		return n.bear(a)
	case a.stage == running && a.Ends > 0 && t >= a.Ends:
		a.stage, a.due = ended, t+endPause
		for _, c := range a.pod.Spec.Containers {
			if err := n.place.RemoveContainer(uid, c.Name); err != nil {
				return err
			}
		}
	case a.stage == ended && t >= a.due:
		a.stage, a.due = emptied, t+endPause
		return n.place.RemoveContainer(uid, Sandbox)
	case a.stage == emptied && t >= a.due:
		a.stage = over
		if err := n.place.RemovePod(uid); err != nil {
			return err
		}
		return n.api.Delete(a.pod.Namespace, a.pod.Name)
	}
	return nil
}
