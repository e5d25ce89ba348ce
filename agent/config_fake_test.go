package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// podsConfig has a key of every shape that a plugin may have.
type podsConfig struct {
	Interval   plugin.Duration `toml:"poll_interval"`
	Node       string          `toml:"node"`
	Containers bool            `toml:"containers"`
	Workers    int             `toml:"workers"`
	Ratio      float64         `toml:"ratio"`
	Names      []string        `toml:"metrics"`
	Token      tokenConfig     `toml:"token_retrieval"`
	TLS        tlsConfig       `toml:"tls"`
	Renames    plugin.Renames  `toml:"rename_attributes"`
	Rules      []rule          `toml:"rules"`
	Password   string          `toml:"password"`
}

type tlsConfig struct {
	CAFile string `toml:"ca_file"`
	Verify struct {
		ServerName string `toml:"server_name"`
	} `toml:"verify"`
}

type rule struct {
	Name string `toml:"name"`
}

// tokenConfig is a string or a table.
type tokenConfig struct{ how string }

func (c *tokenConfig) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		c.how = v
		return nil
	case map[string]any:
		c.how = fmt.Sprint(v)
		return nil
	}
	return fmt.Errorf("want a string or a table, have %v", v)
}

func (c tokenConfig) MarshalText() ([]byte, error) { return []byte(c.how), nil }

func newPodsConfig() *podsConfig {
	return &podsConfig{
		Interval: plugin.Duration(5 * time.Second), Node: "host", Workers: 2, Ratio: 0.5,
		Names: []string{"cpu", "memory"}, Token: tokenConfig{"auto"}, Renames: plugin.Renames{}, Rules: []rule{},
	}
}

func (c *podsConfig) Validate() error {
	var few error
	if c.Workers < 1 {
		few = plugin.Keyf("workers", "want at least 1, have %d", c.Workers)
	}
	return errors.Join(plugin.CheckInterval("poll_interval", c.Interval), few)
}
func (c *podsConfig) PollInterval() time.Duration { return time.Duration(c.Interval) }
func (*podsConfig) Metrics() []*measure.Metric    { return nil }
func (*podsConfig) Open(context.Context, *plugin.Host) (any, error) {
	return poll(idle), nil
}

// sink is an output with one key, which must not be empty.
type sink struct {
	Path string `toml:"path"`
}

func (s *sink) Validate() error {
	if s.Path == "" {
		return plugin.Keyf("path", `want a file, or "-"`)
	}
	return nil
}
func (*sink) Open(context.Context, *plugin.Host) (any, error) { return write(idle), nil }

// testOptions are three plugins: a source, a transform and an output, and the
// output that runs by default.
func testOptions() LoadOptions {
	env := map[string]string{"NODE": "node-7", "EMPTY": "", "SNEAKY": "${NODE}\"\nworkers = 9", "FIVE": "5s"}
	return LoadOptions{
		Plugins: []plugin.Plugin{
			{Name: "k8s", Role: plugin.RoleSource, Config: func() plugin.Config { return newPodsConfig() }},
			{Name: "rapl", Role: plugin.RoleSource, Config: func() plugin.Config { return newPodsConfig() }},
			{Name: "attribution", Role: plugin.RoleTransform, Config: func() plugin.Config { return &sink{"x"} }},
			{Name: "csv", Role: plugin.RoleOutput, Config: func() plugin.Config { return &sink{"-"} }},
			{Name: "prometheus", Role: plugin.RoleOutput, Config: func() plugin.Config { return &sink{"/metrics"} }},
		},
		DefaultOutput: "csv",
		LookupEnv:     func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
}
