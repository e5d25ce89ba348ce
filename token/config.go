package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What is used where a Config leaves a field empty.
const (
	// DefaultFile is where the kubelet puts the token of a pod's service
	// account, and where it swaps in a new one long before the old one ends.
	DefaultFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	// DefaultServiceAccount and DefaultNamespace name the service account for
	// which kubectl is asked.
	DefaultServiceAccount = "alumet-reader"
	DefaultNamespace      = "alumet"
)

// Strategy is a way to get a token.
type Strategy uint8

const (
	// Auto takes the file if it can be read, and asks kubectl otherwise. It
	// decides anew each time a token is retrieved.
	Auto Strategy = iota
	// File reads a file.
	File
	// Kubectl runs "kubectl create token".
	Kubectl
	// Unset is Auto that nobody asked for, for a default that can be told from
	// what a configuration says.
	Unset
)

// String returns "auto", "file" or "kubectl".
func (s Strategy) String() string { return [...]string{"auto", "file", "kubectl", "auto"}[s] }

// Config says where tokens come from. It is the value of the configuration key
// token_retrieval, in one of these forms:
//
//	token_retrieval = "auto"
//	token_retrieval = "file"
//	token_retrieval = "kubectl"
//	token_retrieval.file = "/path/to/token"
//	token_retrieval.kubectl = { service_account = "name", namespace = "name" }
//
// The zero value is "auto". An empty field stands for its default. A Config
// holds no secret, and can be compared with ==.
type Config struct {
	Strategy Strategy
	// File is the path that Auto and File read.
	File string
	// ServiceAccount and Namespace are for Auto and Kubectl.
	ServiceAccount, Namespace string
}

const forms = `want "auto", "file", "kubectl", { file = "/path/to/token" } ` +
	`or { kubectl = { service_account = "name", namespace = "name" } }`

// UnmarshalTOML takes a value as a TOML decoder hands it over: a string, or a
// table as map[string]any. It replaces the whole Config, or leaves it as it is
// and returns an error that names the key below token_retrieval and the forms
// that are accepted.
func (c *Config) UnmarshalTOML(v any) error {
	var made Config
	var err error
	switch v := v.(type) {
	case string:
		made.Strategy, err = parseStrategy(v)
	case map[string]any:
		made, err = parseTable(v)
	default:
		err = fmt.Errorf("have %s", kindOf(v))
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, forms)
	}
	*c = made
	return nil
}

// String returns the value as it stands in a configuration file.
func (c Config) String() string {
	switch {
	case c.Strategy == File && c.File != "":
		return "{ file = " + strconv.Quote(c.File) + " }"
	case c.Strategy == Kubectl && (c.ServiceAccount != "" || c.Namespace != ""):
		var keys []string
		if c.ServiceAccount != "" {
			keys = append(keys, "service_account = "+strconv.Quote(c.ServiceAccount))
		}
		if c.Namespace != "" {
			keys = append(keys, "namespace = "+strconv.Quote(c.Namespace))
		}
		return "{ kubectl = { " + strings.Join(keys, ", ") + " } }"
	}
	return strconv.Quote(c.Strategy.String())
}

// MarshalTOML writes the value as UnmarshalTOML reads it.
func (c Config) MarshalTOML() ([]byte, error) { return []byte(c.String()), nil }

func parseStrategy(name string) (Strategy, error) {
	for _, s := range []Strategy{Auto, File, Kubectl} {
		if name == s.String() {
			return s, nil
		}
	}
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") {
		return 0, errors.New("have a path where the name of a strategy belongs; did you mean token_retrieval.file?")
	}
	return 0, fmt.Errorf("unknown strategy%s", naming(name, Auto.String(), File.String(), Kubectl.String()))
}

func parseTable(table map[string]any) (Config, error) {
	if err := checkKeys(table, "", "file", "kubectl"); err != nil {
		return Config{}, err
	}
	file, hasFile := table["file"]
	kubectl, hasKubectl := table["kubectl"]
	switch {
	case hasFile && hasKubectl:
		return Config{}, errors.New("file and kubectl are both set; choose one of them")
	case hasFile:
		path, err := parsePath(file)
		return Config{Strategy: File, File: path}, err
	case hasKubectl:
		return parseKubectl(kubectl)
	}
	return Config{}, errors.New("the table is empty")
}

func parsePath(v any) (string, error) {
	path, ok := v.(string)
	switch {
	case !ok:
		return "", fmt.Errorf("file: want a path in quotes, have %s", kindOf(v))
	case strings.TrimSpace(path) == "":
		return "", errors.New(`file: the path is empty; token_retrieval = "file" takes the default`)
	case looksLikeToken(path):
		return "", errors.New("file: have what looks like a token where a path belongs; write it to a file that only the agent may read")
	case strings.ContainsFunc(path, unicode.IsControl):
		return "", errors.New("file: the path holds a control character")
	}
	return path, nil
}

// looksLikeToken tells whether a text may be a JWT: errors name paths, and must not
// name that.
func looksLikeToken(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "eyJ") && strings.Count(text, ".") == 2
}

func parseKubectl(v any) (Config, error) {
	made := Config{Strategy: Kubectl}
	table, ok := v.(map[string]any)
	if !ok {
		return made, fmt.Errorf("kubectl: want a table, have %s", kindOf(v))
	}
	if err := checkKeys(table, "kubectl: ", "service_account", "namespace"); err != nil {
		return made, err
	}
	var err error
	if made.ServiceAccount, err = parseName(table, "service_account"); err != nil {
		return made, err
	}
	made.Namespace, err = parseName(table, "namespace")
	return made, err
}

// parseName returns a name in the kubectl table, and "" if it is not there.
func parseName(table map[string]any, key string) (string, error) {
	v, ok := table[key]
	if !ok {
		return "", nil
	}
	name, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("kubectl.%s: want a name in quotes, have %s", key, kindOf(v))
	}
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("kubectl.%s: %w", key, err)
	}
	return name, nil
}

func checkKeys(keys map[string]any, table string, known ...string) error {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("%sunknown key%s", table, naming(key, known...))
		}
	}
	return nil
}

// checkName is what object names have in common. It keeps kubectl from taking
// a name for an option.
func checkName(name string) error {
	if name == "" {
		return errors.New("the name is empty; leave the key out to get the default")
	}
	alphanumeric := func(b byte) bool { return 'a' <= b && b <= 'z' || '0' <= b && b <= '9' }
	for i := range len(name) {
		inner := i > 0 && i < len(name)-1 && (name[i] == '-' || name[i] == '.')
		if !alphanumeric(name[i]) && !inner {
			return errors.New("not the name of an object: want lower-case letters, digits, and inside also dashes and dots")
		}
	}
	if len(name) > 253 {
		return errors.New("not the name of an object: longer than 253 characters")
	}
	return nil
}

// kindOf names the type of a TOML value. The value itself may be a secret that
// was pasted into the wrong place.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	}
	return "an array"
}
