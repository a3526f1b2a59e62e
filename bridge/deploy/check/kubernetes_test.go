package check

import (
	"os"
	"path/filepath"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// read decodes a file into the type of its API. Unknown fields are errors.
func read[T any](t *testing.T, file string) *T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../kubernetes", file))
	require.NoError(t, err)
	var object T
	require.NoError(t, yaml.UnmarshalStrict(text, &object), file)
	return &object
}

func TestTheObjectsOfKubernetesFitTogether(t *testing.T) {
	deployment := read[appsv1.Deployment](t, "deployment.yaml")
	service := read[corev1.Service](t, "service.yaml")
	config := read[corev1.ConfigMap](t, "config.yaml")
	scaler := read[autoscalingv2.HorizontalPodAutoscaler](t, "autoscaler.yaml")
	budget := read[policyv1.PodDisruptionBudget](t, "disruption-budget.yaml")
	policy := read[networkingv1.NetworkPolicy](t, "network-policy.yaml")
	monitor := read[monitoringv1.ServiceMonitor](t, "service-monitor.yaml")
	namespace := read[corev1.Namespace](t, "namespace.yaml")

	pod := deployment.Spec.Template
	labels := pod.Labels
	require.NotEmpty(t, labels)
	assert.Equal(t, labels, deployment.Spec.Selector.MatchLabels)
	assert.Equal(t, labels, service.Spec.Selector)
	assert.Equal(t, labels, budget.Spec.Selector.MatchLabels)
	assert.Equal(t, labels, policy.Spec.PodSelector.MatchLabels)
	assert.Equal(t, service.Labels, monitor.Spec.Selector.MatchLabels)
	assert.Equal(t, deployment.Name, scaler.Spec.ScaleTargetRef.Name)
	assert.Nil(t, deployment.Spec.Replicas, "applying the file again must not undo the autoscaler")

	bridge := pod.Spec.Containers[0]
	ports := map[string]int32{}
	for _, port := range bridge.Ports {
		ports[port.Name] = port.ContainerPort
	}
	assert.Contains(t, config.Data["bridge.yaml"], `listen: ":8080"`)
	assert.Equal(t, map[string]int32{"http": 8080, "metrics": 9090}, ports)
	for _, port := range service.Spec.Ports {
		assert.Contains(t, ports, port.TargetPort.StrVal)
	}
	assert.Equal(t, service.Spec.Ports[1].Name, monitor.Spec.Endpoints[0].Port)
	assert.Equal(t, "/healthz", bridge.LivenessProbe.HTTPGet.Path)
	assert.Equal(t, "/readyz", bridge.ReadinessProbe.HTTPGet.Path)
	assert.Equal(t, "http", bridge.ReadinessProbe.HTTPGet.Port.StrVal)
	assert.Equal(t, config.Name, pod.Spec.Volumes[0].ConfigMap.Name)
	assert.Equal(t, []string{"--config", bridge.VolumeMounts[0].MountPath + "/bridge.yaml"}, bridge.Args)
	assert.Empty(t, bridge.VolumeMounts[0].SubPath, "a file mounted by subPath never changes")
	assert.Greater(t, *pod.Spec.TerminationGracePeriodSeconds, int64(25), "the default of --drain-timeout")

	var found []string
	for _, object := range read[kustomization](t, "kustomization.yaml").Resources {
		found = append(found, object)
		assert.FileExists(t, "../kubernetes/"+object)
	}
	files, err := filepath.Glob("../kubernetes/*.yaml")
	require.NoError(t, err)
	assert.Len(t, files, len(found)+1, "each file is applied")
	assert.Equal(t, "restricted", namespace.Labels["pod-security.kubernetes.io/enforce"])
}

// kustomization has the fields that the file uses.
type kustomization struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Namespace  string   `json:"namespace"`
	Resources  []string `json:"resources"`
	Images     []struct{ Name, NewName, NewTag string }
}

// These are the rules of the restricted Pod Security Standard.
// See https://kubernetes.io/docs/concepts/security/pod-security-standards/.
func TestThePodIsRestricted(t *testing.T) {
	pod := read[appsv1.Deployment](t, "deployment.yaml").Spec.Template.Spec
	assert.True(t, *pod.SecurityContext.RunAsNonRoot)
	assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	assert.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC)
	for _, container := range pod.Containers {
		assert.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
		assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
		assert.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
		assert.NotZero(t, container.Resources.Limits.Memory().Value())
		assert.NotZero(t, container.Resources.Requests.Cpu().MilliValue())
	}
}
