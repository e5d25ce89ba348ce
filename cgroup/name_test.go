package cgroup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	uid       = "7c87ba6a-5dba-4aa5-bf3b-2bfd339e189f"
	slicedUID = "7c87ba6a_5dba_4aa5_bf3b_2bfd339e189f"
	hash      = "48d542d3d875bedb32a028c007465cdc"
)

var cid = strings.Repeat("0123456789abcdef", 4)

func TestIdentify(t *testing.T) {
	f := func(path string, want Identity) {
		t.Helper()
		got, ok := Identify(path)
		if !ok {
			t.Errorf("Identify(%q): not recognised", path)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Identify(%q): -want +got\n%s", path, diff)
		}
	}
	// Both drivers on a plain node, all classes.
	f("/kubepods.slice/kubepods-pod"+slicedUID+".slice", Identity{"/kubepods.slice", uid, Guaranteed, "", ""})
	f("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+slicedUID+".slice", Identity{"/kubepods.slice", uid, Burstable, "", ""})
	f("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"+slicedUID+".slice", Identity{"/kubepods.slice", uid, BestEffort, "", ""})
	f("/kubepods/pod"+uid, Identity{"/kubepods", uid, Guaranteed, "", ""})
	f("/kubepods/burstable/pod"+uid, Identity{"/kubepods", uid, Burstable, "", ""})
	f("/kubepods/besteffort/pod"+uid, Identity{"/kubepods", uid, BestEffort, "", ""})
	f("kubepods/pod"+uid+"/", Identity{"/kubepods", uid, Guaranteed, "", ""})
	// Static pods: a hash, or any name that the manifest sets.
	f("/kubepods/burstable/pod"+hash, Identity{"/kubepods", hash, Burstable, "", ""})
	f("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+hash+".slice", Identity{"/kubepods.slice", hash, Burstable, "", ""})
	f("/kubepods/podetcd.main-1", Identity{"/kubepods", "etcd.main-1", Guaranteed, "", ""})
	// --cgroup-root, kind and minikube's docker driver, as seen from the host, and a rootless k3s.
	f("/r/kubepods/burstable/pod"+uid, Identity{"/r/kubepods", uid, Burstable, "", ""})
	f("/r.slice/r-kubepods.slice/r-kubepods-burstable.slice/r-kubepods-burstable-pod"+slicedUID+".slice",
		Identity{"/r.slice/r-kubepods.slice", uid, Burstable, "", ""})
	f("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod"+slicedUID+".slice", Identity{"/kubelet.slice/kubelet-kubepods.slice", uid, Guaranteed, "", ""})
	f("/system.slice/docker-"+cid+".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod"+slicedUID+".slice",
		Identity{"/system.slice/docker-" + cid + ".scope/kubelet.slice/kubelet-kubepods.slice", uid, BestEffort, "", ""})
	f("/docker/"+cid+"/kubepods/besteffort/pod"+uid, Identity{"/docker/" + cid + "/kubepods", uid, BestEffort, "", ""})
	f("/user.slice/user-1001.slice/user@1001.service/k3s-rootless.service/kubepods/pod"+uid+"/"+cid,
		Identity{"/user.slice/user-1001.slice/user@1001.service/k3s-rootless.service/kubepods", uid, Guaranteed, cid, ""})
	// Containers of every runtime.
	sys := "/kubepods.slice/kubepods-pod" + slicedUID + ".slice/"
	f(sys+"cri-containerd-"+cid+".scope", Identity{"/kubepods.slice", uid, Guaranteed, cid, "cri-containerd"})
	f(sys+"crio-"+cid+".scope", Identity{"/kubepods.slice", uid, Guaranteed, cid, "crio"})
	f(sys+"crio-"+cid+".scope/container", Identity{"/kubepods.slice", uid, Guaranteed, cid, "crio"})
	f(sys+"docker-"+cid+".scope", Identity{"/kubepods.slice", uid, Guaranteed, cid, "docker"})
	f(sys+"libpod-"+cid+".scope", Identity{"/kubepods.slice", uid, Guaranteed, cid, "libpod"})
	f("/kubepods/burstable/pod"+uid+"/"+cid, Identity{"/kubepods", uid, Burstable, cid, ""})
	f("/kubepods/burstable/pod"+uid+"/crio-"+cid, Identity{"/kubepods", uid, Burstable, cid, "crio"})
	// A node in a pod of another node: the innermost pod.
	f("/kubepods/burstable/pod"+hash+"/"+cid+"/kubepods/pod"+uid, Identity{"/kubepods/burstable/pod" + hash + "/" + cid + "/kubepods", uid, Guaranteed, "", ""})
}

func TestIdentifyRefuses(t *testing.T) {
	f := func(path string) {
		t.Helper()
		if got, ok := Identify(path); ok {
			t.Errorf("Identify(%q) = %+v, want it refused", path, got)
		}
	}
	f("")
	f("/")
	f("/kubepods")
	f("/kubepods/burstable")
	f("/kubepods/burstable/besteffort/pod" + uid)
	f("/kubepods.slice/kubepods-burstable.slice")
	f("/pod" + uid)
	f("/system.slice/pod" + uid)
	f("/mykubepods/pod" + uid)
	f("/kubepodsx.slice/kubepods-pod" + slicedUID + ".slice")
	f("/kubepods/pod")
	f("/kubepods/pods" + "/x y")
	f("/kubepods/notpod" + uid)
	f("/kubepods.slice/kubepods-podx.scope")
	f("/kubepods.slice/kubepods-burstable.slice/kubepods-besteffort-pod" + slicedUID + ".slice")
	f("/kubepods.slice/other-pod" + slicedUID + ".slice")
	f("/kubepods/pod" + uid + "/" + cid[1:])
	f("/kubepods/pod" + uid + "/crio-conmon-" + cid)
	f("/kubepods.slice/kubepods-pod" + slicedUID + ".slice/crio-conmon-" + cid + ".scope")
	f("/kubepods.slice/kubepods-pod" + slicedUID + ".slice/libpod-conmon-" + cid + ".scope")
	f("/kubepods/pod" + uid + "/" + strings.ToUpper(cid))
}

func TestLikelyUID(t *testing.T) {
	f := func(s string, want bool) {
		t.Helper()
		if got := LikelyUID(s); got != want {
			t.Errorf("LikelyUID(%q) = %v, want %v", s, got, want)
		}
	}
	f(uid, true)
	f(hash, true)
	f("", false)
	f("cast", false)
	f(uid[:35], false)
	f(slicedUID, false)
	f(strings.Replace(uid, "7", "x", 1), false)
	f(strings.Replace(hash, "4", "x", 1), false)
}

// A static pod may have a UID with dashes or underscores of its own, which the
// systemd driver makes alike.
func TestUIDKeyMatchesBothDrivers(t *testing.T) {
	for _, u := range []string{uid, hash, "my-pod_1", "a_b-c"} {
		for _, p := range []string{
			"/kubepods/pod" + u,
			"/kubepods.slice/kubepods-pod" + strings.ReplaceAll(u, "-", "_") + ".slice",
		} {
			id, ok := Identify(p)
			if !ok || UIDKey(id.UID) != UIDKey(u) {
				t.Errorf("Identify(%q) = %+v, %v: does not match %q", p, id, ok, u)
			}
		}
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add("/kubepods/burstable/pod" + uid + "/" + cid)
	f.Add("/system.slice/docker-" + cid + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + slicedUID + ".slice/cri-containerd-" + cid + ".scope")
	f.Add("kubepods//pod")
	f.Fuzz(func(t *testing.T, p string) {
		id, ok := Identify(p)
		if !ok {
			return
		}
		if id.UID == "" || id.Kubepods == "" {
			t.Errorf("Identify(%q) = %+v: recognised without a UID or a root", p, id)
		}
		if id.ContainerID != "" && (len(id.ContainerID) != 64 || !strings.Contains(p, id.ContainerID)) {
			t.Errorf("Identify(%q) = %+v: the container's id is not in the path", p, id)
		}
	})
}
