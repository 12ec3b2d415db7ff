package sinktest

import (
	"reflect"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
)

// TestTimelineComplete checks that the contract has every kind of body and token.
func TestTimelineComplete(t *testing.T) {
	want := map[string]bool{}
	for v, i := reflect.TypeFor[event.Visitor](), 0; i < v.NumMethod(); i++ {
		want[v.Method(i).Name] = true
	}
	kinds := map[event.TokenKind]bool{}
	for _, e := range Timeline("x") {
		delete(want, reflect.TypeOf(e.Body).Elem().Name())
		if c, ok := e.Body.(*event.Call); ok {
			for _, a := range c.Args {
				for _, k := range a.Val {
					kinds[k.Kind] = true
				}
			}
		}
	}
	for name := range want {
		t.Errorf("no entry with a body of type %s", name)
	}
	for k := event.TInt; k <= event.TDur; k++ {
		if !kinds[k] {
			t.Errorf("no token of kind %d", k)
		}
	}
}

// TestPoison checks that the hostile strings are hostile.
func TestPoison(t *testing.T) {
	const s = "\x1bhostile"
	found := map[string]bool{}
	for _, e := range Timeline(s) {
		check := func(field, got string) {
			if got == s {
				found[field] = true
			} else if got != "" {
				t.Errorf("%s is %q", field, got)
			}
		}
		check("comm", e.Task.Comm)
		check("user", e.User)
		check("warn", e.Warn[0])
		if e.Conn != nil {
			check("path", e.Conn.Path)
		}
		switch b := e.Body.(type) {
		case *event.Process:
			check("exe", b.Exe)
			check("cgroup", b.Cgroup)
			check("container", b.Container)
			for _, a := range b.Argv {
				check("argv", a)
			}
		case *event.SockFound:
			check("found path", b.Path)
		case *event.Name:
			check("name", b.Name)
		case *event.Note:
			check("text", b.Text)
			check("fix", b.Fix)
		case *event.End:
			check("end", b.Reason)
		case *event.Call:
			for _, a := range b.Args {
				for _, k := range a.Val {
					if k.Kind == event.TStr || k.Kind == event.THexStr || k.Kind == event.TIface {
						check("token", k.Str)
					}
				}
			}
			if b.Name == "" || b.Name == s {
				t.Errorf("a static field was changed: %q", b.Name)
			}
		}
	}
	if len(found) != 14 {
		t.Errorf("hostile: %v", found)
	}
}
