package target

import (
	"errors"
	"testing"

	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/source/proc/proctest"
)

func TestParse(t *testing.T) {
	f := proc.FS{Root: proctest.Machine(t)}
	docker, podman := "/system.slice/docker-"+proctest.DockerID+".scope", "/machine.slice/libpod-"+proctest.PodmanID+".scope"
	for text, want := range map[string]proc.Target{
		"all":                                 {All: true},
		"1":                                   {PID: 1},
		"01234":                               {PID: 1234},
		"1235":                                {PID: 1234}, // a thread is its process
		"emulator":                            {Name: "emulator"},
		"py*":                                 {Name: "py*"},
		"[kc]url?":                            {Name: "[kc]url?"},
		"kworker/0:1":                         {Name: "kworker/0:1"},
		"@root":                               {User: "root"},
		"@0":                                  {User: "0"},
		"@4294967294":                         {User: "4294967294", UID: 4294967294},
		"emulator@root":                       {Name: "emulator", User: "root"},
		"uid:1000":                            {User: "1000", UID: 1000},
		":8080":                               {Port: 8080},
		":65535":                              {Port: 65535},
		"unit:nginx":                          {Cgroup: "/system.slice/nginx.service"},
		"unit:nginx.service":                  {Cgroup: "/system.slice/nginx.service"},
		"unit:foo.socket":                     {Cgroup: "/system.slice/foo.socket"},
		"cgroup:/system.slice":                {Cgroup: "/system.slice"},
		"cgroup:system.slice/":                {Cgroup: "/system.slice"},
		"cgroup:/":                            {Cgroup: "/"},
		"container:" + proctest.DockerID:      {Cgroup: docker},
		"container:" + proctest.DockerID[:12]: {Cgroup: docker},
		"container:web":                       {Cgroup: docker},
		"container:db":                        {Cgroup: podman}, // and not conmon, which only watches it
		"container:cafe":                      {Cgroup: podman}, // a name that could be an id
		"container:" + proctest.PodmanID[:12]: {Cgroup: podman},
	} {
		want.Text = text
		got, err := Parse(f, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", text, got, want)
		}
	}
	for text, want := range map[string]error{
		"":                     ErrUsage,
		":":                    ErrUsage,
		":0":                   ErrUsage,
		":65536":               ErrUsage,
		":http":                ErrUsage,
		":-1":                  ErrUsage,
		"0":                    ErrUsage,
		"99999999999999999999": ErrUsage,
		"4294967296":           ErrUsage,
		"@":                    ErrUsage,
		"x@":                   ErrUsage,
		"[":                    ErrUsage,
		"a[":                   ErrUsage,
		"unit:":                ErrUsage,
		"cgroup:":              ErrUsage,
		"container:":           ErrUsage,
		"uid:":                 ErrUsage,
		"uid:alice":            ErrUsage,
		"77":                   proc.ErrNoTarget,
		"@nobody-of-that-name": proc.ErrNoTarget,
		"x@nobody-of-that":     proc.ErrNoTarget,
		"unit:none":            proc.ErrNoTarget,
		"cgroup:/none":         proc.ErrNoTarget,
		"container:none":       proc.ErrNoTarget,
		"container:ffffffff":   proc.ErrNoTarget,
		"container:stopped":    proc.ErrNoTarget,
	} {
		got, err := Parse(f, text)
		if !errors.Is(err, want) {
			t.Errorf("%q: %+v, %v; want %v", text, got, err, want)
		} else if msg := err.Error(); text != "" && len(msg) < len(want.Error())+4 {
			t.Errorf("%q: the error says too little: %s", text, msg)
		}
	}
	if _, err := Parse(proc.FS{Root: t.TempDir()}, "unit:nginx"); !errors.Is(err, proc.ErrNoTarget) {
		t.Errorf("without a mount table: %v", err)
	}
	if got, err := User(f, "root"); err != nil || got != (proc.Target{Text: "@root", User: "root"}) {
		t.Errorf("User: %+v, %v", got, err)
	}
	if _, err := User(f, "nobody-of-that-name"); !errors.Is(err, proc.ErrNoTarget) {
		t.Errorf("User: %v", err)
	}
}
