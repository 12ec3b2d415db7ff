//go:build linux

package peers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said is a message as both pidwire and tshark can tell it.
type said struct {
	client bool   // from the client
	kind   string // request, answer or notice
	text   string
}

func (s said) String() string {
	d := "server"
	if s.client {
		d = "client"
	}
	return d + " " + s.kind + " " + s.text
}

// count returns the numbers of requests, answers and notices.
func count(list []said) (n [3]int) {
	for _, s := range list {
		switch s.kind {
		case "request":
			n[0]++
		case "answer":
			n[1]++
		default:
			n[2]++
		}
	}
	return n
}

func join(list []said) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString("\n\t" + s.String())
	}
	return b.String()
}

// difference returns what only one of two lists has, whatever their order; "" if they are equal.
func difference(truth, shown []said) string {
	n := map[said]int{}
	for _, s := range truth {
		n[s]++
	}
	for _, s := range shown {
		n[s]--
	}
	var lines []string
	for s, d := range n {
		for ; d > 0; d-- {
			lines = append(lines, fmt.Sprintf("\tonly tshark: %s", s))
		}
		for ; d < 0; d++ {
			lines = append(lines, fmt.Sprintf("\tonly pidwire: %s", s))
		}
	}
	slices.SortFunc(lines, func(a, b string) int {
		_, x, _ := strings.Cut(a, ": ")
		_, y, _ := strings.Cut(b, ": ")
		return strings.Compare(x+a, y+b)
	})
	return strings.Join(lines, "\n")
}

// message is a message of pidwire.
type message struct {
	proto, kind, text, err, group string
	conn                          string
	exchange                      float64
	watched                       bool // seen at the client's end; of packets: at any
	client                        bool // from the client
	fields                        map[string]any
}

// get returns a field by its dotted name, as text; "" if there is none.
func (m *message) get(name string) string {
	switch v := m.fields[name].(type) {
	case nil:
		return ""
	case []any:
		var list []string
		for _, x := range v {
			list = append(list, fmt.Sprint(x))
		}
		return strings.Join(list, ",")
	default:
		return fmt.Sprint(v)
	}
}

// messages returns pidwire's messages of a file.
func messages(t *testing.T, file string, ports []int) (list []*message) {
	t.Helper()
	for line := range strings.Lines(string(output(t, pidwire, "open", "-q", "-l", "msg", "--json", file))) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if object["type"] != "message" {
			continue
		}
		m := &message{fields: map[string]any{}}
		flatten(object, "", m.fields)
		if m.get("message.part") == "head" {
			continue // the whole follows
		}
		m.proto, m.kind, m.text, m.err, m.group = m.get("network.protocol.name"), m.get("message.kind"), m.get("message.text"), m.get("error.type"), m.get("message.group")
		m.conn = m.get("conn")
		m.exchange, _ = m.fields["message.exchange"].(float64)
		local, _ := m.fields["network.local.port"].(float64)
		m.watched = !slices.Contains(ports, int(local))
		m.client = m.watched == (m.get("message.direction") == "out")
		list = append(list, m)
	}
	return list
}

// onPort reports whether one end of the connection has one of the ports.
func (m *message) onPort(ports []int) bool {
	local, _ := m.fields["network.local.port"].(float64)
	peer, _ := m.fields["network.peer.port"].(float64)
	return slices.Contains(ports, int(local)) || slices.Contains(ports, int(peer))
}

// flatten gives each value of an object its dotted name.
func flatten(object map[string]any, prefix string, into map[string]any) {
	for k, v := range object {
		if inner, ok := v.(map[string]any); ok {
			flatten(inner, prefix+k+".", into)
		} else {
			into[prefix+k] = v
		}
	}
}

// oracle is how a protocol's messages are compared.
type oracle struct {
	fields string // what is compared, in words
	// truth returns the messages that tshark sees.
	truth func([]*frame) []said
	// ours returns what of a message tshark can tell too; false leaves it out.
	ours func(*message, []*message) (string, bool)
	name []string // pidwire's names of the protocol
}

// shown returns what pidwire says, of the client's end or of the server's.
func (o *oracle) shown(list []*message, client bool) (out []said) {
	for _, m := range list {
		if m.watched != client || !slices.Contains(o.name, m.proto) {
			continue
		}
		if text, ok := o.ours(m, list); ok {
			out = append(out, said{m.client, m.kind, text})
		}
	}
	return out
}

// each returns a truth that reads every node of a protocol by itself.
func each(proto string, read func(f *frame, n *node, out func(kind, text string))) func([]*frame) []said {
	return func(frames []*frame) (list []said) {
		for _, f := range frames {
			for i := range f.Kids {
				if n := &f.Kids[i]; n.Name == proto {
					read(f, n, func(kind, text string) { list = append(list, said{f.client, kind, text}) })
				}
			}
		}
		return list
	}
}
