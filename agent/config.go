package agent

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/plugin"
)

// Config is a configuration that was checked and can be run.
type Config struct {
	// Agent is the table [agent].
	Agent Settings
	// Plugins are the enabled plugins, in pipeline order.
	Plugins []Enabled
}

// check makes sure that a configuration, which need not come from Load, can
// tick.
func (c *Config) check() error {
	for _, e := range c.Plugins {
		if !isSource(e) {
			continue
		}
		if err := checkSource(e.Config); err != nil {
			return fmt.Errorf("plugin %s: %w", e.Plugin.Name, err)
		}
	}
	if !slices.ContainsFunc(c.Plugins, isSource) {
		return errors.New("no source is enabled, so there is nothing to measure")
	}
	return nil
}

// Enabled is a plugin that runs, with its configuration.
type Enabled struct {
	Plugin plugin.Plugin
	Config plugin.Config

	// table is the plugin's table as it was read, with variables replaced; nil for a
	// configuration that does not come from Load.
	table map[string]any
}

// same reports whether two tables of one plugin say the same, but for some keys. It
// compares what was written, since a Config need not show all that it holds.
func (e Enabled) same(other Enabled, but ...string) bool {
	if e.table == nil || other.table == nil {
		return e.Config == other.Config
	}
	text := func(table map[string]any) (string, error) {
		table = maps.Clone(table)
		for _, key := range but {
			delete(table, key)
		}
		return encode(table)
	}
	a, errA := text(e.table)
	b, errB := text(other.table)
	return errA == nil && errB == nil && a == b
}

// Settings are the keys of the table [agent].
type Settings struct {
	// Listen is the address of the HTTP listener; "" means none.
	Listen string `toml:"listen"`
	// LogLevel is "debug", "info", "warn" or "error".
	LogLevel string `toml:"log_level"`
	// LogFormat is "text" or "json".
	LogFormat string `toml:"log_format"`
	// SysfsRoot and ProcfsRoot are where the node's /sys and /proc are seen.
	SysfsRoot  string `toml:"sysfs_root"`
	ProcfsRoot string `toml:"procfs_root"`
	// WebConfigFile is the file of Prometheus' exporter-toolkit that says how the
	// listener serves: TLS, certificates of clients, users; "" is plain HTTP.
	WebConfigFile string `toml:"web_config_file"`
	// WebReload takes the configuration anew upon POST /-/reload.
	WebReload bool `toml:"web_reload"`
	// Pprof serves profiles at /debug/pprof/, on a loopback listener only.
	Pprof bool `toml:"pprof"`
}

// DefaultSettings returns the settings of an empty table [agent].
func DefaultSettings() Settings {
	return Settings{Listen: ":9464", LogLevel: "info", LogFormat: "text", SysfsRoot: "/sys", ProcfsRoot: "/proc"}
}

// Validate checks the settings. Its errors are *plugin.KeyError.
func (s *Settings) Validate() error {
	if s.Listen != "" {
		_, port, err := net.SplitHostPort(s.Listen)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return plugin.Keyf("listen", `want "host:port", ":port" or "" for no listener, have %q`, s.Listen)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s.LogLevel) {
		return plugin.Keyf("log_level", `want "debug", "info", "warn" or "error", have %q`, s.LogLevel)
	}
	if s.LogFormat != "text" && s.LogFormat != "json" {
		return plugin.Keyf("log_format", `want "text" or "json", have %q`, s.LogFormat)
	}
	if s.SysfsRoot == "" {
		return plugin.Keyf("sysfs_root", `want a folder such as "/sys"`)
	}
	if s.ProcfsRoot == "" {
		return plugin.Keyf("procfs_root", `want a folder such as "/proc"`)
	}
	for key, on := range map[string]bool{"web_config_file": s.WebConfigFile != "", "web_reload": s.WebReload, "pprof": s.Pprof} {
		if on && s.Listen == "" {
			return plugin.Keyf(key, `there is no listener for it: set listen, for example to ":9464"`)
		}
	}
	return checkWebConfig(s.WebConfigFile)
}

// LoadOptions are what a configuration is loaded against.
type LoadOptions struct {
	// Plugins are all the plugins there are, in pipeline order.
	Plugins []plugin.Plugin
	// DefaultOutput is the name of the output that runs when the file has no
	// table of any output; "" means none.
	DefaultOutput string
	// LookupEnv finds the variables of ${NAME}; nil means os.LookupEnv.
	LookupEnv func(name string) (string, bool)
}

// Load reads a configuration. The file's name is used for messages only. What
// is wrong with the text is told all at once where that is possible: the error
// is a *ConfigError, or joins several.
//
// A table whose key enable is false is not looked into any further, so that it
// may refer to variables that are not set.
func Load(file string, text []byte, opts LoadOptions) (*Config, error) {
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	doc, err := parseDocument(file, text)
	if err != nil {
		return nil, err
	}
	cfg := &Config{Agent: DefaultSettings()}
	l := &loader{doc: doc, opts: opts}
	l.tables = l.findTables()
	l.agentTable(&cfg.Agent)
	for _, p := range opts.Plugins {
		l.pluginTable(p, cfg)
	}
	if len(l.problems) == 0 && !slices.ContainsFunc(cfg.Plugins, isSource) {
		l.report(nil, l.noSource())
	}
	if err := doc.errors(l.problems); err != nil {
		return nil, err
	}
	return cfg, nil
}

func isSource(e Enabled) bool { return e.Plugin.Role == plugin.RoleSource }

// loader gathers what is wrong while it fills a Config.
type loader struct {
	doc      *document
	opts     LoadOptions
	tables   map[string]any // below [plugins]
	problems []problem
}

func (l *loader) report(key toml.Key, err error) {
	l.problems = append(l.problems, problem{key, err})
}

// findTables returns the tables below [plugins], the default output's among
// them where the file has none of any output. It reports unknown tables.
func (l *loader) findTables() map[string]any {
	top := []string{"agent", "plugins"}
	for name, value := range l.doc.tree {
		if !slices.Contains(top, name) {
			l.report(toml.Key{name}, unknown(name, value, top))
		}
	}
	tables, _ := l.table(toml.Key{"plugins"}, l.doc.tree["plugins"])
	tables = maps.Clone(tables)
	if tables == nil {
		tables = map[string]any{}
	}
	var names []string
	hasOutput := false
	for _, p := range l.opts.Plugins {
		names = append(names, p.Name)
		_, there := tables[p.Name]
		hasOutput = hasOutput || there && p.Role == plugin.RoleOutput
	}
	for name := range tables {
		if !slices.Contains(names, name) {
			l.report(toml.Key{"plugins", name}, fmt.Errorf("unknown plugin%s", suggest(name, names)))
		}
	}
	if !hasOutput && l.opts.DefaultOutput != "" {
		tables[l.opts.DefaultOutput] = map[string]any{}
	}
	return tables
}

func (l *loader) agentTable(into *Settings) {
	key := toml.Key{"agent"}
	table, ok := l.table(key, l.doc.tree["agent"])
	if !ok {
		return
	}
	found := expandTable(table, key, l.opts.LookupEnv)
	if found == nil {
		found = decodeTable(table, key, into, func() any { return new(Settings) })
	}
	if found == nil {
		found = keyProblems(into.Validate(), key)
	}
	l.problems = append(l.problems, found...)
}

// pluginTable adds a plugin to the configuration when its table is there.
func (l *loader) pluginTable(p plugin.Plugin, cfg *Config) {
	key := toml.Key{"plugins", p.Name}
	table, ok := l.table(key, l.tables[p.Name])
	if !ok {
		return
	}
	if enable, set := table["enable"]; set {
		on, ok := enable.(bool)
		if !ok {
			l.report(join(key, "enable"), fmt.Errorf("want true or false, have %s", typeName(enable)))
		}
		if !on {
			return
		}
		delete(table, "enable")
	}
	config := p.Config()
	found := expandTable(table, key, l.opts.LookupEnv)
	if found == nil {
		found = decodeTable(table, key, config, func() any { return p.Config() }, "enable")
	}
	if found == nil {
		found = keyProblems(config.Validate(), key)
	}
	if found == nil && p.Role == plugin.RoleSource {
		found = keyProblems(checkSource(config), key)
	}
	l.problems = append(l.problems, found...)
	cfg.Plugins = append(cfg.Plugins, Enabled{Plugin: p, Config: config, table: table})
}

// checkSource checks what the host itself needs of a source.
func checkSource(config plugin.Config) error {
	poller, ok := config.(plugin.Poller)
	if !ok {
		return errors.New("the plugin is declared a source, but its configuration has no poll interval")
	}
	if d := poller.PollInterval(); d < plugin.MinInterval {
		return fmt.Errorf("want a poll interval of at least %v, have %v", plugin.MinInterval, d)
	}
	return nil
}

func (l *loader) noSource() error {
	var tables []string
	for _, p := range l.opts.Plugins {
		if p.Role == plugin.RoleSource {
			tables = append(tables, "[plugins."+p.Name+"]")
		}
	}
	return fmt.Errorf("no source is enabled, so there is nothing to measure: add the table %s", strings.Join(tables, " or "))
}

// table returns a table of the document. A value that is there but is no table
// is reported.
func (l *loader) table(key toml.Key, value any) (map[string]any, bool) {
	table, ok := value.(map[string]any)
	if !ok && value != nil {
		l.report(key, fmt.Errorf("want a table [%s], have %s", key, typeName(value)))
	}
	return table, ok
}
