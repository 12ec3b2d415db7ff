package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Target is one way in which the user named processes. Exactly one of the
// groups of fields is set; Name and User may stand together.
type Target struct {
	Text   string // as given
	PID    uint32
	Name   string // glob: comm, base of the executable, base of argv[0]
	User   string
	UID    uint32 // of User
	Cgroup string // path below the cgroup v2 root
	Port   uint16 // local
	All    bool
}

// ErrNoTarget says that what a target names is not there.
var ErrNoTarget = errors.New("no such target")

// ErrTargetUsage says that a target cannot be understood.
var ErrTargetUsage = errors.New("bad target")

// kinds are the words before the colon of a target; before a port there is none.
var kinds = []string{"unit", "cgroup", "container", "uid", ""}

// Later reports whether processes that start later can match.
func (t *Target) Later() bool { return t.PID == 0 }

// ParseTarget reads a target as the command line has it. Users, units and
// containers are looked up now: an error that wraps ErrNoTarget says that
// there is none, one that wraps ErrTargetUsage that the text is no target.
func (f FS) ParseTarget(text string) (Target, error) {
	t := Target{Text: text}
	kind, rest, colon := strings.Cut(text, ":")
	switch {
	case text == "":
		return t, fmt.Errorf("%w: it is empty", ErrTargetUsage)
	case text == "all":
		t.All = true
	case colon && rest == "" && slices.Contains(kinds, kind):
		return t, fmt.Errorf("%w: nothing behind the colon of %q", ErrTargetUsage, text)
	case kind == "unit" && rest != "":
		return f.cgroupTarget(t, unitDir(rest))
	case kind == "cgroup" && rest != "":
		return f.cgroupTarget(t, func(p string) bool { return p == path.Clean("/"+rest) })
	case kind == "container" && rest != "":
		return f.containerTarget(t, rest)
	case kind == "uid" && rest != "":
		n, err := strconv.ParseUint(rest, 10, 32)
		if err != nil {
			return t, fmt.Errorf("%w: %q is not a user id", ErrTargetUsage, rest)
		}
		t.User, t.UID = rest, uint32(n)
	case kind == "" && rest != "":
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%w: %q is not a port (1 to 65535)", ErrTargetUsage, rest)
		}
		t.Port = uint16(n)
	case strings.Trim(text, "0123456789") == "":
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%w: %q is not a process id", ErrTargetUsage, text)
		}
		p, err := f.Read(uint32(n))
		if errors.Is(err, fs.ErrNotExist) {
			return t, fmt.Errorf("%w: no process %s", ErrNoTarget, text)
		}
		if err != nil {
			return t, err
		}
		t.PID = p.PID
	default:
		name, usr, at := strings.Cut(text, "@")
		t.Name = name
		if at {
			uid, err := lookupUser(usr)
			if err != nil {
				return t, err
			}
			t.User, t.UID = usr, uid
		}
		if _, err := path.Match(name, ""); err != nil {
			return t, fmt.Errorf("%w: %q is not a pattern: %v", ErrTargetUsage, name, err)
		}
		if name == "" && !at {
			return t, fmt.Errorf("%w: %q", ErrTargetUsage, text)
		}
	}
	return t, nil
}

// UserTarget makes the target of --user.
func UserTarget(name string) (Target, error) {
	uid, err := lookupUser(name)
	return Target{Text: "@" + name, User: name, UID: uid}, err
}

func lookupUser(name string) (uint32, error) {
	if name == "" {
		return 0, fmt.Errorf("%w: no user behind @", ErrTargetUsage)
	}
	u, err := user.Lookup(name)
	if err != nil {
		if n, perr := strconv.ParseUint(name, 10, 32); perr == nil {
			return uint32(n), nil
		}
		return 0, fmt.Errorf("%w: no user %q", ErrNoTarget, name)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

// UserName returns the name of a user id, empty where it has none.
func UserName(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

// CgroupRoot returns where cgroup v2 is mounted, from the mount table.
func (f FS) CgroupRoot() (string, error) {
	b, err := os.ReadFile(filepath.Join(f.Root, "self/mountinfo"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		// 36 35 98:0 /root /mount/point options - type source super
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if ok && len(fields) > 4 && strings.HasPrefix(right, "cgroup2 ") && fields[3] == "/" {
			return unoctal(fields[4]), nil
		}
	}
	return "", errors.New("cgroup v2 is not mounted")
}

// unoctal undoes \040 and its kin in the mount table.
func unoctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func unitDir(unit string) func(string) bool {
	if !strings.Contains(unit, ".") {
		unit += ".service"
	}
	return func(p string) bool { return path.Base(p) == unit }
}

// cgroupTarget finds the first directory of the cgroup tree that want accepts.
func (f FS) cgroupTarget(t Target, want func(string) bool) (Target, error) {
	root, err := f.CgroupRoot()
	if err != nil {
		return t, fmt.Errorf("%w: %s: %v", ErrNoTarget, t.Text, err)
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		if want(rel) {
			t.Cgroup = rel
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && t.Cgroup == "" {
		err = fmt.Errorf("%w: no cgroup of %s below %s", ErrNoTarget, t.Text, root)
	}
	return t, err
}

// ContainerOf returns the id of the container whose cgroup this is, empty if
// it is none: the 64 hex digits that docker, containerd, cri-o and podman put
// into the name. conmon has a cgroup of that name too, and only looks on.
func ContainerOf(cgroup string) string {
	for {
		base := path.Base(cgroup)
		base = strings.TrimSuffix(base, ".scope")
		if strings.Contains(base, "-conmon-") {
			return ""
		}
		if i := strings.LastIndexAny(base, "-:"); i >= 0 {
			base = base[i+1:]
		}
		if len(base) == 64 && strings.Trim(base, "0123456789abcdef") == "" {
			return base
		}
		if cgroup == "/" || cgroup == "." || cgroup == "" {
			return ""
		}
		cgroup = path.Dir(cgroup)
	}
}

func (f FS) containerTarget(t Target, id string) (Target, error) {
	if hex := strings.Trim(id, "0123456789abcdef") == "" && len(id) >= 4; hex {
		found, err := f.cgroupTarget(t, func(p string) bool {
			c := ContainerOf(p)
			return strings.HasPrefix(c, id) && strings.Contains(path.Base(p), c)
		})
		if err == nil {
			return found, nil
		}
	}
	full, err := containerByName(f.containerState(), id)
	if err != nil {
		return t, fmt.Errorf("%w: %v", ErrNoTarget, err)
	}
	return f.cgroupTarget(t, func(p string) bool { return ContainerOf(p) == full && strings.Contains(path.Base(p), full) })
}

// Match reports whether a process is one of the target's, as far as the
// process alone tells: ports are matched by their sockets.
func (t *Target) Match(p *Process) bool {
	switch {
	case t.All:
		return true
	case t.PID != 0:
		return p.PID == t.PID
	case t.Cgroup != "":
		return t.Cgroup == "/" || p.Cgroup == t.Cgroup || strings.HasPrefix(p.Cgroup, t.Cgroup+"/")
	case t.Port != 0:
		return false
	}
	if t.User != "" && p.UID != t.UID {
		return false
	}
	return t.Name == "" || matchName(t.Name, p)
}

func matchName(glob string, p *Process) bool {
	names := [3]string{p.Comm, p.Name()}
	if len(p.Argv) > 0 {
		names[2] = path.Base(p.Argv[0])
	}
	for _, n := range names {
		if n == "" {
			continue
		}
		if ok, _ := path.Match(glob, n); ok {
			return true
		}
	}
	return false
}
