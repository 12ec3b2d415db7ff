package live

import (
	"bufio"
	"bytes"
	"regexp"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pidwire/pidwire/docs"
)

// lineSchema is docs/schema.json, ready to be held against lines.
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

// numbers are digits, also those of addresses in hex.
var numbers = regexp.MustCompile(`(0x[0-9a-f]+|[0-9]+)`)

// bySchema holds that every line is as the schema says, and that the last one is the end.
func bySchema(t *testing.T, s *jsonschema.Schema, lines []byte) (n int) {
	t.Helper()
	const most = 5 // complaints
	in := bufio.NewScanner(bytes.NewReader(lines))
	in.Buffer(nil, 16<<20)
	var last string
	seen := map[string]bool{}
	for in.Scan() {
		n++
		last = in.Text()
		// A program makes tens of thousands of lines that differ in their numbers alone.
		alike := numbers.ReplaceAllString(last, "0")
		if seen[alike] {
			continue
		}
		seen[alike] = true
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

// TestSchema holds every line of every program that is watched, all layers of the kernel side at once,
// against docs/schema.json.
func TestSchema(t *testing.T) {
	needRoot(t)
	if built != "" {
		t.Skip("words of lines do not depend on the kernel, and emulation is slow: this runs on the host")
	}
	s := lineSchema(t)
	packets := 0
	for _, p := range programs(t) {
		if p.name == "uring_many" || p.name == "beyond_keymsg" {
			continue // tens of thousands of lines, of kinds that the others have
		}
		for _, bits := range p.bits {
			t.Run(p.name+bits, func(t *testing.T) {
				prog := build(t, p.name, bits)
				_, b := watch(t, prog, "--json", "-l", "sys,pkt,krn")
				bySchema(t, s, b)
				packets += bytes.Count(b, []byte(`"type":"packet"`))
			})
		}
	}
	if packets < 100 {
		t.Errorf("only %d packets were among them", packets)
	}
}
