package live

import (
	"bufio"
	"bytes"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pidwire/pidwire/docs"
)

// lineSchema is docs/schema.json, compiled.
func lineSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bySchema checks that every line matches the schema, and that the last one is the end.
func bySchema(t *testing.T, s *jsonschema.Schema, lines []byte) (n int) {
	t.Helper()
	const most = 5 // errors reported
	in := bufio.NewScanner(bytes.NewReader(lines))
	in.Buffer(nil, 16<<20)
	var last string
	for in.Scan() {
		n++
		last = in.Text()
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(in.Bytes()))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			t.Errorf("line %d: %v\n%s", n, err, last)
			if n > most {
				return n
			}
		}
	}
	if !bytes.Contains([]byte(last), []byte(`"type":"end"`)) {
		t.Errorf("the last of %d lines is no end: %s", n, last)
	}
	return n
}

// TestSchema checks every line of every program, watched with all layers at once, against
// docs/schema.json.
func TestSchema(t *testing.T) {
	needRoot(t)
	s := lineSchema(t)
	packets := 0
	for _, p := range programs(t) {
		if built != "" && !slices.Contains([]string{"tcp", "udp", "unix", "fork", "readwrite"}, p.name) {
			continue // emulation is slow: these cover all lines that depend on the kernel
		}
		layers := "sys,pkt,krn"
		if p.name == "uring_many" {
			layers = "sys,pkt" // the kernel polls its 20,000 requests repeatedly: two million lines
		}
		for _, bits := range p.bits {
			t.Run(p.name+bits, func(t *testing.T) {
				prog := build(t, p.name, bits)
				_, b := watch(t, prog, "--json", "-l", layers)
				bySchema(t, s, b)
				packets += bytes.Count(b, []byte(`"type":"packet"`))
			})
		}
	}
	if packets < 20 || built == "" && packets < 100 {
		t.Errorf("only %d packets were among them", packets)
	}
}
