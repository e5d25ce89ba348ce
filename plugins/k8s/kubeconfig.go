package k8s

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/podjoule/podjoule/token"
)

// newKubeconfigAccess talks to the API server of a kubeconfig, or to the kubelet with
// the credentials in it. It does what kubectl does, but asks nobody at a terminal.
func newKubeconfigAccess(c *Config, limited func(http.RoundTripper) http.RoundTripper, userAgent string) (*access, error) {
	config, err := readKubeconfig(c)
	if err != nil {
		return nil, err
	}
	a := &access{
		urlKey: "the server of the kubeconfig", credentials: "the user in the kubeconfig",
		authority: "certificate-authority in the kubeconfig",
	}
	if c.Discovery == modeKubelet {
		a.urlKey = "kubelet_url"
		config.Host, config.ServerName = c.KubeletURL, "" // the name is the API server's
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil || base.Hostname() == "" {
		return nil, fmt.Errorf("kubeconfig %s: the server is no URL such as https://host:6443", c.Kubeconfig)
	}
	if base.User != nil {
		return nil, fmt.Errorf("kubeconfig %s: a server with a password in its URL is not taken", c.Kubeconfig)
	}
	through, err := kubeconfigProxy(config, base)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	if err := cmp.Or(token.CheckServer(base, c.AllowInsecureToken), checkPlain(base, through, c.AllowInsecureToken)); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	if through != nil {
		a.proxy = through.Host
	}
	a.url = base.String()

	bare := rest.AnonymousClientConfig(config)
	bare.ServerName = ""
	config.WrapTransport, bare.WrapTransport = limited, limited
	other, err := rest.TransportFor(bare)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	if config.ExecProvider != nil {
		config.ExecProvider.StdinUnavailable = true
	}
	own, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	if config.ExecProvider != nil {
		own = newExecTransport(own, config.ExecProvider.Command)
	}
	a.http = &http.Client{Transport: &gate{server: base, own: own, other: other, userAgent: userAgent}}
	return a, nil
}

// kubeconfigProxy returns the proxy through which kubectl would reach a server, or
// nil: that of the cluster, else that of the environment.
func kubeconfigProxy(config *rest.Config, server *url.URL) (*url.URL, error) {
	choose := config.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	through, err := choose(&http.Request{URL: server})
	if err != nil {
		return nil, errors.New("the proxy in the environment is no URL: check HTTPS_PROXY") // the error quotes it
	}
	return through, nil
}

// largestKubeconfig is far above any real one.
const largestKubeconfig = 10 << 20

// readKubeconfig reads the file. None of its errors quotes what may be a secret.
func readKubeconfig(c *Config) (*rest.Config, error) {
	path, err := fromHome(c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	// A pipe would block for ever.
	if info, err := os.Stat(path); err == nil && (!info.Mode().IsRegular() || info.Size() > largestKubeconfig) {
		return nil, fmt.Errorf("kubeconfig %s: not a regular file, or too long for a kubeconfig", path)
	}
	content, err := clientcmd.LoadFromFile(path)
	if errors.As(err, new(*fs.PathError)) {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	if err != nil {
		line := regexp.MustCompile(`line \d+`).FindString(err.Error())
		return nil, fmt.Errorf("read the kubeconfig %s: not a kubeconfig in YAML or JSON%s; kubectl config view --kubeconfig tells more",
			path, strings.TrimSuffix(", "+line, ", "))
	}
	if err := clientcmd.ResolveLocalPaths(content); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	name := cmp.Or(c.Context, content.CurrentContext)
	known := strings.Join(slices.Sorted(maps.Keys(content.Contexts)), ", ")
	chosen := content.Contexts[name]
	switch {
	case name == "":
		return nil, fmt.Errorf("kubeconfig %s has no current-context: set context to one of its contexts: %s", path, cmp.Or(known, "it has none"))
	case chosen == nil:
		return nil, fmt.Errorf("kubeconfig %s has no context %q: set context to one of its contexts: %s", path, name, cmp.Or(known, "it has none"))
	}
	if err := checkCluster(content.Clusters[chosen.Cluster]); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: cluster %s: %w", path, chosen.Cluster, err)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*content, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: context %s: %w", path, name, err)
	}
	return config, nil
}

// checkCluster looks at what client-go would quote in its errors.
func checkCluster(cluster *api.Cluster) error {
	if cluster == nil || cluster.ProxyURL == "" {
		return nil
	}
	u, err := url.Parse(cluster.ProxyURL)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return errors.New("proxy-url is no URL such as http://proxy:3128")
	}
	return nil
}

// fromHome replaces the ~ at the beginning of a path.
func fromHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok {
		return path, nil
	}
	if rest != "" && rest[0] != '/' {
		return "", errors.New("the home of another user is not looked up: write the path in full")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: write the path in full", err)
	}
	return filepath.Join(home, rest), nil
}
