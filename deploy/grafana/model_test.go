package grafana_test

import "testing"

// dashboard is what Grafana reads, in its version of the schema.
type dashboard struct {
	Title         string      `json:"title"`
	UID           string      `json:"uid"`
	Description   string      `json:"description"`
	Tags          []string    `json:"tags"`
	SchemaVersion int         `json:"schemaVersion"`
	Editable      bool        `json:"editable"`
	Refresh       string      `json:"refresh"`
	GraphTooltip  int         `json:"graphTooltip"`
	Time          span        `json:"time"`
	Templating    templating  `json:"templating"`
	Annotations   annotations `json:"annotations"`
	Panels        []panel     `json:"panels"`
}

type span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

type variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"`
	Datasource *datasource `json:"datasource,omitempty"`
	Query      any         `json:"query"`
	Definition string      `json:"definition,omitempty"`
	Refresh    int         `json:"refresh"`
	Sort       int         `json:"sort"`
	Multi      bool        `json:"multi"`
	IncludeAll bool        `json:"includeAll"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    *current    `json:"current,omitempty"`
}

type labelQuery struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

type current struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

type annotations struct {
	List []annotation `json:"list"`
}

type annotation struct {
	Name            string      `json:"name"`
	Datasource      *datasource `json:"datasource"`
	Enable          bool        `json:"enable"`
	IconColor       string      `json:"iconColor"`
	Target          noteQuery   `json:"target"`
	TitleFormat     string      `json:"titleFormat"`
	UseValueForTime bool        `json:"useValueForTime"`
}

type noteQuery struct {
	Expr  string `json:"expr"`
	RefID string `json:"refId"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int          `json:"id"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	Type        string       `json:"type"`
	Grid        grid         `json:"gridPos"`
	Collapsed   *bool        `json:"collapsed,omitempty"` // of a row
	Datasource  *datasource  `json:"datasource,omitempty"`
	Targets     []target     `json:"targets,omitempty"`
	FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options,omitempty"`
}

// Defaults are how the panel shows its values.
func (p *panel) Defaults() *defaults { return &p.FieldConfig.Defaults }

type grid struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

func (g grid) overlaps(h grid) bool {
	return g.X < h.X+h.W && h.X < g.X+g.W && g.Y < h.Y+h.H && h.Y < g.Y+g.H
}

type target struct {
	RefID        string      `json:"refId"`
	Datasource   *datasource `json:"datasource"`
	Expr         string      `json:"expr"`
	LegendFormat string      `json:"legendFormat"`
	Instant      bool        `json:"instant"`
	Range        bool        `json:"range"`
}

type fieldConfig struct {
	Defaults  defaults   `json:"defaults"`
	Overrides []override `json:"overrides"`
}

type defaults struct {
	Unit   string  `json:"unit"`
	Min    *int    `json:"min,omitempty"`
	Custom *custom `json:"custom,omitempty"`
}

type custom struct {
	FillOpacity int      `json:"fillOpacity"`
	LineWidth   int      `json:"lineWidth"`
	ShowPoints  string   `json:"showPoints"`
	Stacking    stacking `json:"stacking"`
}

type stacking struct {
	Mode  string `json:"mode"`
	Group string `json:"group"`
}

type override struct {
	Matcher    matcher    `json:"matcher"`
	Properties []property `json:"properties"`
}

type matcher struct {
	ID      string `json:"id"`
	Options string `json:"options"`
}

type property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// dashboard is what the source describes.
func (s *source) dashboard(t *testing.T) *dashboard {
	t.Helper()
	prometheus := &datasource{Type: "prometheus", UID: "${datasource}"}
	d := &dashboard{
		Title: "podjoule", UID: "podjoule", Description: "CPU time, memory and energy of nodes, namespaces and pods, and the agents that measure them.",
		Tags: []string{"podjoule", "energy", "kubernetes"}, SchemaVersion: 39, Editable: true, Refresh: "1m", GraphTooltip: 1,
		Time: span{"now-1h", "now"},
	}
	d.Templating.List = []variable{{Name: "datasource", Label: "data source", Type: "datasource", Query: "prometheus", Refresh: 1}}
	for _, v := range s.Variable {
		key := v.Key
		if key == "" {
			key = v.Name
		}
		query := "label_values(" + s.whole(t, v.Label) + ", " + key + ")"
		one := variable{
			Name: v.Name, Label: v.Name, Type: "query", Datasource: prometheus, Definition: query,
			Query: labelQuery{query, "variable"}, Refresh: 2, Sort: 1, Multi: v.All, IncludeAll: v.All,
		}
		one.Current = &current{v.Default, v.Default}
		if v.All {
			one.AllValue, one.Current = ".*", &current{"All", "$__all"} // .* is also what has no such label
		}
		d.Templating.List = append(d.Templating.List, one)
	}
	for _, a := range s.Annotation {
		d.Annotations.List = append(d.Annotations.List, annotation{
			Name: a.Name, Datasource: prometheus, Enable: true, IconColor: a.Color, Target: noteQuery{s.whole(t, a.Expr), "Anno"}, TitleFormat: a.Text, UseValueForTime: a.Time,
		})
	}
	const height = 8
	y := 0
	add := func(p panel) {
		p.ID = len(d.Panels) + 1
		d.Panels = append(d.Panels, p)
	}
	for _, row := range s.Row {
		add(panel{Title: row.Title, Type: "row", Grid: grid{0, y, 24, 1}, Collapsed: new(bool)})
		y++
		x := 0
		for i := range row.Panel {
			p := s.panel(t, &row.Panel[i], prometheus)
			width := 12 * max(1, row.Panel[i].Wide)
			if x+width > 24 {
				x, y = 0, y+height
			}
			p.Grid = grid{x, y, width, height}
			x += width
			add(p)
		}
		y += height
	}
	return d
}

func (s *source) panel(t *testing.T, from *panelSource, prometheus *datasource) panel {
	t.Helper()
	p := panel{Title: from.Title, Description: from.Help, Type: from.Kind, Datasource: prometheus, FieldConfig: &fieldConfig{Overrides: []override{}}}
	p.FieldConfig.Defaults.Unit = from.Unit
	switch from.Kind {
	case "":
		p.Type = "timeseries"
		c := &custom{FillOpacity: 10, LineWidth: 1, ShowPoints: "never", Stacking: stacking{"none", "A"}}
		if from.Stack {
			c.FillOpacity, c.Stacking.Mode = 60, "normal"
		}
		p.FieldConfig.Defaults.Custom = c
		p.Options = map[string]any{"legend": map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}}, "tooltip": map[string]any{"mode": "multi", "sort": "desc"}}
	case "stat", "bargauge":
		p.Options = map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}, "orientation": "auto"}
		if from.Kind == "bargauge" {
			p.Options.(map[string]any)["orientation"] = "horizontal"
			p.FieldConfig.Defaults.Min = new(int)
		}
	default:
		t.Fatalf("%s: there is no kind %q", from.Title, from.Kind)
	}
	for i, q := range from.Queries {
		now := from.Kind != ""
		p.Targets = append(p.Targets, target{
			RefID: string(rune('A' + i)), Datasource: prometheus, Expr: s.whole(t, q.Expr), LegendFormat: q.Legend, Instant: now, Range: !now,
		})
		if q.Line {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
				Matcher: matcher{"byName", q.Legend},
				Properties: []property{
					{"custom.stacking", stacking{"none", "A"}},
					{"custom.fillOpacity", 0},
					{"custom.lineWidth", 2},
				},
			})
		}
	}
	return p
}
