package docs_test

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// own writes into a pod who owns which of its fields, as an API server does: the
// controller that made the pod, and the kubelet that tells its status. That is about
// a quarter of what is sent of a pod.
func own(pod *corev1.Pod) error {
	pod.ManagedFields = nil
	text, err := json.Marshal(pod)
	if err != nil {
		return fmt.Errorf("write pod %s: %w", pod.Name, err)
	}
	var whole struct {
		Metadata, Spec, Status map[string]any
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		return fmt.Errorf("read pod %s: %w", pod.Name, err)
	}
	made := map[string]any{
		"f:metadata": owned(whole.Metadata, "generateName", "labels", "ownerReferences"),
		"f:spec": owned(whole.Spec, "containers", "initContainers", "dnsPolicy", "enableServiceLinks", "restartPolicy",
			"schedulerName", "securityContext", "terminationGracePeriodSeconds", "volumes"),
	}
	told := map[string]any{"f:status": owned(whole.Status, "allocatedResources", "conditions", "containerStatuses", "hostIP", "hostIPs",
		"initContainerStatuses", "observedGeneration", "phase", "podIP", "podIPs", "resources", "startTime")}
	for _, entry := range []struct {
		manager, part string
		fields        map[string]any
	}{{"kube-controller-manager", "", made}, {"kubelet", "status", told}} {
		raw, err := json.Marshal(entry.fields)
		if err != nil {
			return fmt.Errorf("write the fields of %s: %w", entry.manager, err)
		}
		pod.ManagedFields = append(pod.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: entry.manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Subresource: entry.part,
			Time: &pod.CreationTimestamp, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(raw)),
		})
	}
	return nil
}

// owned names the fields of an object, or those of them that are listed.
func owned(object map[string]any, only ...string) map[string]any {
	fields := make(map[string]any)
	for name, value := range object {
		if len(only) == 0 || slices.Contains(only, name) {
			fields["f:"+name] = below(name, value)
		}
	}
	return fields
}

// below names the fields below a field: those of an object, and of a list whose
// entries are told apart by a key.
func below(name string, value any) map[string]any {
	switch value := value.(type) {
	case map[string]any:
		fields := owned(value)
		fields["."] = struct{}{}
		return fields
	case []any:
		key, ok := map[string]string{
			"containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
			"conditions": "type", "hostIPs": "ip", "podIPs": "ip", "ownerReferences": "uid", "ports": "containerPort",
		}[name]
		if !ok {
			return map[string]any{}
		}
		entries := map[string]any{".": struct{}{}}
		for _, entry := range value {
			entry := entry.(map[string]any)
			entries[fmt.Sprintf("k:{%q:%q}", key, fmt.Sprint(entry[key]))] = below("", entry)
		}
		return entries
	}
	return map[string]any{}
}
