// Package target parses targets on the command line: a pid, a name, @user, :port, unit:, cgroup:,
// container:, uid: or all. A Machine looks up what they refer to.
package target

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// ErrUsage says that a target is not valid.
var ErrUsage = errors.New("bad target")

// Machine looks up what targets refer to; proc.FS implements it. If there is none, its errors wrap
// proc.ErrNoTarget, and that of Named wraps fs.ErrNotExist.
type Machine interface {
	Named(pid uint32) (*proc.Process, error)
	UserID(name string) (uint32, error)
	FindCgroup(want func(path string) bool) (string, error)
	FindContainer(id string) (string, error)
}

// kinds are the words before the colon of a target; a port has none.
var kinds = []string{"unit", "cgroup", "container", "uid", ""}

// Parse parses a target. It looks up users, units and containers. Errors wrap proc.ErrNoTarget if
// there is none, and ErrUsage if the text is not a target.
func Parse(m Machine, text string) (proc.Target, error) {
	t := proc.Target{Text: text}
	kind, rest, colon := strings.Cut(text, ":")
	var err error
	switch {
	case text == "":
		return t, fmt.Errorf("%w: empty target", ErrUsage)
	case text == "all":
		t.All = true
	case colon && rest == "" && slices.Contains(kinds, kind):
		return t, fmt.Errorf("%w: nothing after the colon in %q", ErrUsage, text)
	case kind == "unit" && rest != "":
		t.Cgroup, err = m.FindCgroup(unitDir(rest))
	case kind == "cgroup" && rest != "":
		t.Cgroup, err = m.FindCgroup(func(p string) bool { return p == path.Clean("/"+rest) })
	case kind == "container" && rest != "":
		t.Cgroup, err = m.FindContainer(rest)
	case kind == "uid" && rest != "":
		n, err := strconv.ParseUint(rest, 10, 32)
		if err != nil {
			return t, fmt.Errorf("%w: %q is not a user id", ErrUsage, rest)
		}
		t.User, t.UID = rest, uint32(n)
	case kind == "" && rest != "":
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%w: %q is not a port (1 to 65535)", ErrUsage, rest)
		}
		t.Port = uint16(n)
	case strings.Trim(text, "0123456789") == "":
		return pid(m, t)
	default:
		return name(m, t)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", text, err)
	}
	return t, err
}

func pid(m Machine, t proc.Target) (proc.Target, error) {
	n, err := strconv.ParseUint(t.Text, 10, 31)
	if err != nil || n == 0 {
		return t, fmt.Errorf("%w: %q is not a process id", ErrUsage, t.Text)
	}
	p, err := m.Named(uint32(n))
	if errors.Is(err, fs.ErrNotExist) {
		return t, fmt.Errorf("%w: no process %s", proc.ErrNoTarget, t.Text)
	}
	if err != nil {
		return t, err
	}
	t.PID = p.PID
	return t, nil
}

func name(m Machine, t proc.Target) (proc.Target, error) {
	glob, user, at := strings.Cut(t.Text, "@")
	t.Name = glob
	if at {
		uid, err := userID(m, user)
		if err != nil {
			return t, err
		}
		t.User, t.UID = user, uid
	}
	if _, err := path.Match(glob, ""); err != nil {
		return t, fmt.Errorf("%w: %q is not a pattern: %v", ErrUsage, glob, err)
	}
	if glob == "" && !at {
		return t, fmt.Errorf("%w: %q", ErrUsage, t.Text)
	}
	return t, nil
}

// User returns the target of --user.
func User(m Machine, name string) (proc.Target, error) {
	uid, err := userID(m, name)
	return proc.Target{Text: "@" + name, User: name, UID: uid}, err
}

func userID(m Machine, name string) (uint32, error) {
	if name == "" {
		return 0, fmt.Errorf("%w: no user after @", ErrUsage)
	}
	return m.UserID(name)
}

// unitDir accepts the cgroup of a systemd unit.
func unitDir(unit string) func(string) bool {
	if !strings.Contains(unit, ".") {
		unit += ".service"
	}
	return func(p string) bool { return path.Base(p) == unit }
}
