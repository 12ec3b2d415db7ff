package live

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
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
	// With layer krn it gives two million lines: the kernel polls its 20,000 requests repeatedly.
	many := func(p program) bool { return p.name == "uring_many" }
	wanted := func(p program) bool { return !many(p) }
	least := map[string]int{"packet": 100, "syscall": 1000, "kernel": 1000, "state": 20}
	if built != "" {
		// Validation is slow under emulation: these cover all lines that depend on the kernel.
		wanted = func(p program) bool {
			return slices.Contains([]string{"tcp", "udp", "unix", "fork", "readwrite"}, p.name)
		}
		least = map[string]int{"packet": 20, "syscall": 100, "kernel": 100, "state": 5}
	}
	lines, programs := watchTogether(t, wanted, "--json", "-l", "sys,pkt,krn")
	for name, o := range programs {
		if code, err := os.ReadFile(o.dir + "/code"); err != nil || string(code) != "0" && (string(code) != "77" || !mayLack(filepath.Base(filepath.Dir(o.dir)))) {
			t.Errorf("%s: exit code %s: %v", name, code, err)
		}
	}
	n := bySchema(t, s, lines)
	kinds := map[string]int{}
	for _, m := range regexp.MustCompile(`"type":"(\w+)"`).FindAllSubmatch(lines, -1) {
		kinds[string(m[1])]++
	}
	for kind, min := range least {
		if kinds[kind] < min {
			t.Errorf("only %d of type %s among %d lines", kinds[kind], kind, n)
		}
	}
	if built == "" {
		lines, _ = watchTogether(t, many, "--json", "-l", "sys,pkt")
		if n := bySchema(t, s, lines); n < 40_000 {
			t.Errorf("%d lines of uring_many", n)
		}
	}
}
