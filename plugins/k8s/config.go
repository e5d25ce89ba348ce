// Package k8s measures the pods of one node: CPU time and memory of every pod,
// and of every container if wanted, under the names that the API server knows
// them by.
//
// Cgroups are what is measured; the API server only gives them their names. A
// cgroup that it does not know, or not yet, is measured all the same.
package k8s

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/token"
)

// Plugin declares the plugin.
func Plugin() plugin.Plugin {
	everything := groupsOf(metricGroups())
	return plugin.Plugin{
		Name:    "k8s",
		Doc:     "CPU time and memory of the pods of this node",
		Role:    plugin.RoleSource,
		Metrics: append(podMetrics.list(everything), containerMetrics.list(everything)...),
		Config:  func() plugin.Config { return defaults() },
	}
}

// Config is the table [plugins.k8s].
type Config struct {
	// Node is the name of the node as the API server knows it; empty is the
	// host's name.
	Node string `toml:"k8s_node"`
	// APIURL is where the API server, or kubectl proxy, is reached.
	APIURL string `toml:"k8s_api_url"`
	// Token says where the bearer token comes from.
	Token token.Config `toml:"token_retrieval"`
	// Interval is how often pods are measured.
	Interval plugin.Duration `toml:"poll_interval"`
	// MemoryInterval is how often the groups memory and memory_detail are read: a
	// multiple of Interval; 0 is as often.
	MemoryInterval plugin.Duration `toml:"memory_interval"`
	// KubeletURL is where the node's kubelet is reached.
	KubeletURL string `toml:"kubelet_url"`
	// Discovery is how the pods' names are known: watch, poll, kubelet.
	Discovery string `toml:"pod_discovery"`
	// RefreshInterval is the shortest time between two lists of the pods.
	RefreshInterval plugin.Duration `toml:"pod_refresh_interval"`
	// CgroupRoot is the cgroup tree; empty is <sysfs_root>/fs/cgroup.
	CgroupRoot string `toml:"cgroup_root"`
	// Containers adds series of containers to those of pods.
	Containers bool `toml:"containers"`
	// MetricGroups are the groups of metrics to measure, as metricGroups has them.
	MetricGroups []string `toml:"metrics"`
	// CAFile verifies the API server; empty is the service account's ca.crt
	// where there is one, else the system's certificates.
	CAFile string `toml:"ca_file"`
	// InsecureSkipVerify turns the verification of the API server off.
	InsecureSkipVerify bool `toml:"insecure_skip_verify"`
	// Attributes are what series tell of a pod besides its name: workload, qos,
	// phase, label:KEY, annotation:KEY.
	Attributes []string `toml:"attributes"`
	// MaxSeries is how many series there may be at a time; 0 is any number.
	MaxSeries int `toml:"max_series"`
	// AllowInsecureToken sends credentials over plain HTTP to other machines.
	AllowInsecureToken bool `toml:"allow_insecure_token"`
	// Kubeconfig is a file that says which server is talked to and how, in place
	// of all that follows; Context is one of its contexts, empty for its current
	// one.
	Kubeconfig string `toml:"kubeconfig"`
	Context    string `toml:"context"`

	// BasicAuth, Authorization, OAuth2 and BearerTokenFile are credentials in
	// place of the token; at most one of them is set.
	BasicAuth       BasicAuth     `toml:"basic_auth"`
	Authorization   Authorization `toml:"authorization"`
	OAuth2          OAuth2        `toml:"oauth2"`
	BearerTokenFile string        `toml:"bearer_token_file"`
	// TLS is how the server is verified, and the client's certificate.
	TLS TLSConfig `toml:"tls_config"`
	// ProxyURL is the proxy to go through, but for the hosts in NoProxy;
	// ProxyFromEnvironment takes HTTP_PROXY, HTTPS_PROXY and NO_PROXY instead.
	// ProxyConnectHeader are headers for the proxy.
	ProxyURL             Secret              `toml:"proxy_url"`
	NoProxy              string              `toml:"no_proxy"`
	ProxyFromEnvironment bool                `toml:"proxy_from_environment"`
	ProxyConnectHeader   map[string][]Secret `toml:"proxy_connect_header"`
	FollowRedirects      bool                `toml:"follow_redirects"`
	EnableHTTP2          bool                `toml:"enable_http2"`
	// HTTPHeaders are sent with each request.
	HTTPHeaders map[string]Header `toml:"http_headers"`

	made *metricSets // see sets

	// scan is how often cgroups are looked for without inotify; 0 is with it. Tests
	// set it where time would stand still while the kernel is waited for.
	scan time.Duration
}

const defaultAPIURL = "http://127.0.0.1:8080"

func defaults() *Config {
	return &Config{
		APIURL:          defaultAPIURL,
		Token:           token.Config{Strategy: token.Unset},
		Interval:        plugin.Duration(5 * time.Second),
		RefreshInterval: plugin.Duration(5 * time.Second),
		Discovery:       modeWatch,
		KubeletURL:      "https://localhost:10250",
		MetricGroups:    defaultGroups(),
		Attributes:      []string{},
		MaxSeries:       50_000,
		Authorization:   Authorization{Type: bearer},
		FollowRedirects: true,
		EnableHTTP2:     true,
		// What is empty and not nil is a key that can be shown.
		OAuth2: OAuth2{
			Scopes: []string{}, EndpointParams: map[string]Secret{}, ProxyConnectHeader: map[string][]Secret{},
		},
		ProxyConnectHeader: map[string][]Secret{},
		HTTPHeaders:        map[string]Header{},
	}
}

// Validate implements plugin.Config.
func (c *Config) Validate() error {
	if err := plugin.CheckInterval("poll_interval", c.Interval); err != nil {
		return err
	}
	if err := c.checkMemoryInterval(); err != nil {
		return err
	}
	if err := plugin.CheckInterval("pod_refresh_interval", c.RefreshInterval); err != nil {
		return err
	}
	if !slices.Contains(modes(), c.Discovery) {
		return plugin.Keyf("pod_discovery", "unknown way %q; known are %s", c.Discovery, strings.Join(modes(), ", "))
	}
	if err := c.checkServer("k8s_api_url", c.APIURL, "https://kubernetes.default.svc:443 or http://127.0.0.1:8080"); err != nil {
		return err
	}
	if err := c.checkServer("kubelet_url", c.KubeletURL, "https://localhost:10250"); err != nil {
		return err
	}
	if err := c.checkAccess(); err != nil {
		return err
	}
	for _, group := range c.MetricGroups {
		if !slices.Contains(metricGroups(), group) {
			return plugin.Keyf("metrics", "unknown group %q; known are %s", group, strings.Join(metricGroups(), ", "))
		}
	}
	if len(c.MetricGroups) == 0 {
		return plugin.Keyf("metrics", "is empty; known are %s", strings.Join(metricGroups(), ", "))
	}
	if c.MaxSeries < 0 {
		return plugin.Keyf("max_series", "want a number, or 0 for no ceiling, have %d", c.MaxSeries)
	}
	_, err := choose(c.Attributes)
	return err
}

func modes() []string { return []string{modeWatch, modePoll, modeKubelet} }

// checkServer looks at the address of a server that gets the token.
func (c *Config) checkServer(key, address, example string) error {
	server, err := url.Parse(address)
	if err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https" {
		return plugin.Keyf(key, "want a URL such as %s", example)
	}
	if server.User != nil {
		return plugin.Keyf(key, "a URL with a password in it is not taken; use token_retrieval or basic_auth")
	}
	if err := token.CheckServer(server, c.AllowInsecureToken); err != nil {
		return &plugin.KeyError{Key: key, Err: err}
	}
	return nil
}

// PollInterval implements plugin.Poller.
func (c *Config) PollInterval() time.Duration { return time.Duration(c.Interval) }

// Metrics implements plugin.Poller.
func (c *Config) Metrics() []*measure.Metric {
	groups := groupsOf(c.MetricGroups)
	all := c.sets().pods.list(groups)
	if c.Containers {
		all = append(all, c.sets().containers.list(groups)...)
	}
	return all
}

// Open implements plugin.Config. The API server is first asked in Run.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	node := c.Node
	if node == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("k8s_node is not set, and the host's name is unknown: %w", err)
		}
		node = strings.ToLower(name) // as the kubelet does
	}
	root := c.CgroupRoot
	if root == "" {
		root = filepath.Join(host.SysfsRoot, "fs/cgroup")
	}
	tree, err := cgroup.Open(root)
	if err != nil {
		return nil, fmt.Errorf("%w; set cgroup_root, or sysfs_root of [agent], to where the host's tree is mounted", err)
	}
	return newSource(c, node, tree, host)
}
