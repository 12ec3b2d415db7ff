//go:build linux

package ftrace

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tracefs creates a directory with files like those of tracefs, and returns a function that reads them. Unlike the
// kernel's, they contain what was written.
func tracefs(t *testing.T, files map[string]string) (dir string, read func(file string) string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(file string) string {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// TestRestore checks that the settings of ftrace are restored, except those that others have changed meanwhile.
func TestRestore(t *testing.T) {
	ours := map[string]string{
		"current_tracer": "function_graph\n", "set_ftrace_filter": "tcp_sendmsg\ntcp_recvmsg\n", "set_ftrace_pid": "12\n",
		"trace_clock": "local global counter [mono] boot\n", "buffer_size_kb": "4097\n", "trace_options": "nofuncgraph-irqs\n",
	}
	for _, test := range []struct {
		name    string
		changed map[string]string
		taken   string            // expected text
		want    map[string]string // files that differ from before, with their content
	}{
		{"nobody", nil, "", map[string]string{
			"current_tracer": "nop", "set_ftrace_filter": "", "set_ftrace_pid": "", "trace_clock": "local", "buffer_size_kb": "1408", "trace_options": "funcgraph-irqs",
		}},
		{"turned off", map[string]string{"current_tracer": "nop\n"}, "", map[string]string{
			"current_tracer": "nop", "set_ftrace_filter": "", "set_ftrace_pid": "", "trace_clock": "local", "buffer_size_kb": "1408", "trace_options": "funcgraph-irqs",
		}},
		{"a module went", map[string]string{"set_ftrace_filter": "tcp_sendmsg\n"}, "", map[string]string{
			"current_tracer": "nop", "set_ftrace_filter": "", "set_ftrace_pid": "", "trace_clock": "local", "buffer_size_kb": "1408", "trace_options": "funcgraph-irqs",
		}},
		{"clock and buffer", map[string]string{"trace_clock": "[local] global\n", "buffer_size_kb": "9000\n"}, "", map[string]string{
			"current_tracer": "nop", "set_ftrace_filter": "", "set_ftrace_pid": "", "trace_options": "funcgraph-irqs",
		}},
		{"another tracer", map[string]string{"current_tracer": "function\n"}, `current_tracer is "function"`, nil},
		{"other functions", map[string]string{"set_ftrace_filter": "tcp_sendmsg\nvfs_read\n"}, `set_ftrace_filter has "vfs_read"`, nil},
		{"all functions", map[string]string{"set_ftrace_filter": "#### all functions enabled ####\n"}, `set_ftrace_filter has "#### all`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, read := tracefs(t, ours)
			defer func(was string) { stateDir = was }(stateDir)
			stateDir = t.TempDir()
			s := saved{
				PID: 1, Dir: dir, Clock: "local", Buffer: "1408", Set: "4097", Options: []string{"funcgraph-irqs"},
				Functions: []string{"tcp_sendmsg", "tcp_recvmsg"},
			}
			if err := s.write(); err != nil {
				t.Fatal(err)
			}
			before := map[string]string{}
			for name, text := range ours {
				before[name] = text
			}
			for name, text := range test.changed {
				before[name] = text
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := s.restore()
			if test.taken == "" && err != nil || test.taken != "" && (!errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), test.taken)) {
				t.Errorf("it says %v", err)
			}
			for name, text := range before {
				if want, ok := test.want[name]; ok {
					text = want
				}
				if got := read(name); got != text {
					t.Errorf("%s is %q, want %q", name, got, text)
				}
			}
			if _, err := os.Stat(s.path()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what is put down stays: %v", err)
			}
		})
	}
}

// TestChanged checks that a trace that others have stopped is detected.
func TestChanged(t *testing.T) {
	dir, _ := tracefs(t, map[string]string{"current_tracer": "function_graph\n", "tracing_on": "1\n"})
	tr := Tracer{dir: dir}
	if why := tr.Changed(); why != "" {
		t.Errorf("as it was set: %q", why)
	}
	for _, change := range []struct{ file, text, want string }{
		{"tracing_on", "0\n", `tracing_on is "0"`},
		{"current_tracer", "nop\n", `current_tracer is "nop"`},
	} {
		if err := put(dir, change.file, change.text); err != nil {
			t.Fatal(err)
		}
		if why := tr.Changed(); why != change.want {
			t.Errorf("%q, want %q", why, change.want)
		}
	}
}

// TestEnabled checks that Enabled returns ErrOff only if ftrace is disabled by the sysctl.
func TestEnabled(t *testing.T) {
	defer func(old string) { enabledFile = old }(enabledFile)
	enabledFile = filepath.Join(t.TempDir(), "ftrace_enabled")
	if err := Enabled(); err != nil {
		t.Errorf("a kernel without the switch: %v", err)
	}
	for text, want := range map[string]error{"0\n": ErrOff, "1\n": nil} {
		if err := os.WriteFile(enabledFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Enabled(); err != want {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
