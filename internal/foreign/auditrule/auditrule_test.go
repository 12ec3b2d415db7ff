package auditrule

import (
	"slices"
	"strings"
	"testing"
)

const users = `auditctl -a entry,always -F arch=b32 -S socketcall -F pid=9744 -k emulator`

func TestParse(t *testing.T) {
	r, err := Parse(users)
	if err != nil {
		t.Fatal(err)
	}
	if r.Arch != "b32" || r.PID != 9744 || r.Key != "emulator" || !slices.Equal(r.Calls, []string{"socketcall"}) || r.Never {
		t.Errorf("%+v", r)
	}
	var parts []string
	for _, p := range r.Says {
		parts = append(parts, p.Text)
		if p.Means == "" {
			t.Errorf("%s means nothing", p.Text)
		}
	}
	if got, want := strings.Join(parts, " "), strings.TrimPrefix(users, "auditctl "); got != want {
		t.Errorf("parts %q", got)
	}
	if got, want := r.Today([]string{"socket", "connect"}), "auditctl -a always,exit -F arch=b32 -S socketcall,socket,connect -F pid=9744 -k emulator"; got != want {
		t.Errorf("today %q", got)
	}
}

func TestForms(t *testing.T) {
	for line, want := range map[string]string{
		"-a always,exit -S connect":                                            "auditctl -a always,exit -S connect",
		"-a exit,always -Farch=b64 -Sconnect -Sbind -kx":                       "auditctl -a always,exit -F arch=b64 -S connect,bind -k x",
		"/sbin/auditctl -A always,exit -F 'exe=/usr/bin/my curl' -F uid=alice": "auditctl -a always,exit -F uid=alice -F exe=/usr/bin/my curl",
		"-a never,exit -F ppid=1 -F success=0 -C uid!=euid":                    "auditctl -a never,exit -F ppid=1 -F success=0 -C uid!=euid",
		"-a always,exit -F pid!=1":                                             "auditctl -a always,exit -F pid!=1",
		"  -a\talways,exit\n-F key=k ":                                         "auditctl -a always,exit -k k",
	} {
		r, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := r.Today(nil); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                               "not a rule",
		"auditctl -l":                    "-l has no value",
		"-a always":                      "always,exit",
		"-a always,nowhere":              "no list",
		"-a sometimes,exit":              "no action",
		"-a always,exclude -F msgtype=1": "do not match system calls",
		"-a always,exit -F pid=x":        "not a process id",
		"-a always,exit -F pid=0":        "not a process id",
		"-a always,exit -F pid":          "operator",
		"-a always,exit -k":              "has no value",
		"-a always,exit -w /etc":         "-w is not part",
		"-a always,exit -k 'x":           "quote",
		"-S connect":                     "not a rule",
	} {
		if _, err := Parse(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// FuzzParse checks that no line causes a panic, and that the result of Today parses to the same rule.
func FuzzParse(f *testing.F) {
	f.Add(users)
	f.Add("-a always,exit -Farch=b64 -S all -C uid!=euid")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := Parse(line)
		if err != nil || strings.ContainsAny(line, `'"`) {
			return
		}
		today := r.Today(nil)
		again, err := Parse(today)
		if err != nil {
			t.Errorf("%q: %v", today, err)
		} else if got := again.Today(nil); got != today {
			t.Errorf("%q, then %q", today, got)
		}
	})
}
