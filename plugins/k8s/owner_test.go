package k8s

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/simnode"
)

// made is when the pods of these tests were made, in a minute that began 17 s before.
var made = time.Date(2026, 11, 21, 12, 30, 17, 0, time.UTC)

// job names a Job as a CronJob of that name does, for so long before the pod.
func job(name string, before time.Duration) string {
	return fmt.Sprintf("%s-%d", name, made.Add(-before).Unix()/60)
}

func TestWorkload(t *testing.T) {
	yes, no := true, false
	hash := map[string]string{"pod-template-hash": "5f94b9fb66"}
	tests := []struct {
		name   string
		owner  metav1.OwnerReference
		labels map[string]string
		want   string // kind and name
	}{
		{"nobody's", metav1.OwnerReference{}, hash, " "},
		{"Deployment", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5f94b9fb66", Controller: &yes}, hash, "Deployment web"},
		{"Deployment with dashes", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5f94b9fb66-5f94b9fb66", Controller: &yes}, hash, "Deployment web-5f94b9fb66"},
		{"ReplicaSet alone", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5f94b9fb66", Controller: &yes}, nil, "ReplicaSet web-5f94b9fb66"},
		{"empty hash", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-", Controller: &yes}, map[string]string{"pod-template-hash": ""}, "ReplicaSet web-"},
		{"another's hash", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-666", Controller: &yes}, hash, "ReplicaSet web-666"},
		{"hash without dash", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web5f94b9fb66", Controller: &yes}, hash, "ReplicaSet web5f94b9fb66"},
		{"nothing but the hash", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "-5f94b9fb66", Controller: &yes}, hash, "ReplicaSet -5f94b9fb66"},
		{"ReplicaSet of somebody else", metav1.OwnerReference{APIVersion: "example.org/v1", Kind: "ReplicaSet", Name: "web-5f94b9fb66", Controller: &yes}, hash, "ReplicaSet web-5f94b9fb66"},
		{"StatefulSet", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", Controller: &yes}, nil, "StatefulSet db"},
		{"DaemonSet", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "proxy-5f94b9fb66", Controller: &yes}, hash, "DaemonSet proxy-5f94b9fb66"},
		{"custom", metav1.OwnerReference{APIVersion: "argoproj.io/v1alpha1", Kind: "Workflow", Name: "train-x7k2p", Controller: &yes}, nil, "Workflow train-x7k2p"},
		{"owner that does not control", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db", Controller: &no}, nil, " "},
		{"CronJob", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job("backup", 0), Controller: &yes}, nil, "CronJob backup"},
		{"CronJob, late", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job("nightly-backup", 23*time.Hour), Controller: &yes}, nil, "CronJob nightly-backup"},
		{"CronJob, clocks apart", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job("backup", -4*time.Minute), Controller: &yes}, nil, "CronJob backup"},
		{"Job for the future", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job("backup", -time.Hour), Controller: &yes}, nil, "Job " + job("backup", -time.Hour)},
		{"Job for long ago", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job("backup", 48*time.Hour), Controller: &yes}, nil, "Job " + job("backup", 48*time.Hour)},
		{"Job by hand", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: "import", Controller: &yes}, nil, "Job import"},
		{"numbered Job", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: "import-3", Controller: &yes}, nil, "Job import-3"},
		{"Job of a day", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: "import-20261121", Controller: &yes}, nil, "Job import-20261121"},
		{"Job of a second", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: fmt.Sprint("import-", made.Unix()), Controller: &yes}, nil, fmt.Sprint("Job import-", made.Unix())},
		{"Job with a sign", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: fmt.Sprint("import-+", made.Unix()/60), Controller: &yes}, nil, fmt.Sprint("Job import-+", made.Unix()/60)},
		{"Job with a zero", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: fmt.Sprint("import-0", made.Unix()/60), Controller: &yes}, nil, fmt.Sprint("Job import-0", made.Unix()/60)},
		{"Job that is but a number", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: fmt.Sprint(made.Unix() / 60), Controller: &yes}, nil, fmt.Sprint("Job ", made.Unix()/60)},
		{"Job without a name before the number", metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: job("", 0), Controller: &yes}, nil, "Job " + job("", 0)},
		{"Job of somebody else", metav1.OwnerReference{APIVersion: "example.org/v1", Kind: "Job", Name: job("backup", 0), Controller: &yes}, nil, "Job " + job("backup", 0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			one := template("shop", "web")
			one.Labels = tt.labels
			p := simnode.NewPod(one)
			p.CreationTimestamp = metav1.NewTime(made)
			if tt.owner.Kind != "" {
				p.OwnerReferences = []metav1.OwnerReference{{Kind: "ConfigMap", Name: "other"}, tt.owner}
			}
			got := traitsOf(p).workload()
			if diff := cmp.Diff(tt.want, got.kind+" "+got.name); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// A static pod is its node's, whoever tells of it: the kubelet names no owner.
func TestStaticPodIsItsNodes(t *testing.T) {
	static := template("kube-system", "etcd")
	static.Static = true
	p := simnode.NewPod(static)
	mirror := traitsOf(p).workload()
	p.OwnerReferences = nil
	itself := traitsOf(p).workload()
	if want := (owner{"v1", "Node", node}); mirror != want || itself != want {
		t.Errorf("the mirror's is %+v, its own %+v, want %+v", mirror, itself, want)
	}
}

// A pod without a time of its making, as the kubelet's static ones, is no CronJob's.
func TestScheduledNeedsATime(t *testing.T) {
	if name, ok := scheduled(job("backup", 0), time.Time{}); ok {
		t.Errorf("taken for that of %s", name)
	}
}

func FuzzScheduled(f *testing.F) {
	f.Add("backup-29912345", int64(1794740700))
	f.Add("-1", int64(60))
	f.Add("a-18446744073709551616", int64(0))
	f.Fuzz(func(t *testing.T, name string, created int64) {
		at := time.Unix(created, 0)
		cronJob, ok := scheduled(name, at)
		if !ok {
			return
		}
		var minute int64
		if n, err := fmt.Sscanf(name[len(cronJob):], "-%d", &minute); n != 1 || err != nil || fmt.Sprintf("%s-%d", cronJob, minute) != name {
			t.Fatalf("%q is not %q and a number", name, cronJob)
		}
		if passed := at.Sub(time.Unix(minute*60, 0)); passed < -clockSkew || passed > latePod {
			t.Errorf("%q was taken %v after its minute", name, passed)
		}
	})
}
