package pidwire_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/cli"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestRecordings opens every recording in testdata/rec as lines and as JSON, without root, and
// compares the output with the files next to it. testdata/rec/make creates the recordings.
func TestRecordings(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	files, err := filepath.Glob("testdata/rec/*.pidwire")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".pidwire")
		type form struct {
			ext  string
			args []string
		}
		forms := []form{
			{".txt", []string{"open", "-q", file, "-tt", "--utc", "-yy"}},
			{".json", []string{"open", "-q", file, "--json"}},
			{".summary", []string{"open", "-q", file, "-c"}},
		}
		switch {
		case strings.HasSuffix(base, "-functions"):
			// From Linux 6.12, with traced functions: too large as JSON.
			forms = []form{{".tree", []string{"open", "-q", file, "--tree", "-tt", "--utc"}}, forms[0]}
		case strings.HasSuffix(base, "-tree"):
			forms = append(forms, form{".tree", []string{"open", "-q", file, "--tree", "-tt", "--utc"}})
		case strings.HasSuffix(base, "-packets"):
			forms = append(forms,
				form{".conns", []string{"conns", "-r", file}},
				form{".c2.ladder", []string{"show", file, "c2"}})
		}
		for _, form := range forms {
			t.Run(filepath.Base(base)+form.ext, func(t *testing.T) {
				var out, stderr bytes.Buffer
				if code := cli.MainAlone(append([]string{"pidwire"}, form.args...), nil, &out, &stderr); code != 0 || stderr.Len() > 0 {
					t.Fatalf("exit code %d: %s", code, stderr.String())
				}
				golden := base + form.ext
				if *update {
					if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(out.Bytes(), want) {
					t.Errorf("%s reads otherwise than %s:\n%s", file, golden, firstDifference(want, out.Bytes()))
				}
			})
		}
	}
}

func firstDifference(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range w {
		if i >= len(g) {
			return "want " + w[i] + "\ngot nothing more"
		}
		if w[i] != g[i] {
			return "want " + w[i] + "\ngot  " + g[i]
		}
	}
	return "more lines than wanted"
}
