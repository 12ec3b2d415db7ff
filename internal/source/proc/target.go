package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Target is a criterion that selects processes. Only one kind of criterion is set, except
// that Name and User may be combined.
type Target struct {
	Text   string // as the user has written it, for display
	PID    uint32
	Name   string // glob for the comm, the base name of the executable, or that of argv[0]
	User   string
	UID    uint32 // of User
	Cgroup string // path relative to the cgroup v2 root
	Port   uint16 // local port
	All    bool
}

// ErrNoTarget means that a target does not exist.
var ErrNoTarget = errors.New("no such target")

// Later reports whether processes that start later can match.
func (t *Target) Later() bool { return t.PID == 0 }

// UserID returns the uid of a user, given by name or number. The error wraps ErrNoTarget
// if there is no such user.
func (f FS) UserID(name string) (uint32, error) {
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

// UserName returns the name of a uid, or an empty string if it has none.
func UserName(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

// CgroupRoot returns the mount point of cgroup v2, from the mount table.
func (f FS) CgroupRoot() (string, error) {
	b, err := os.ReadFile(filepath.Join(f.Root, "self/mountinfo"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if m, ok := mountOf(line); ok && m.fstype == "cgroup2" && m.root == "/" {
			return m.point, nil
		}
	}
	return "", errors.New("cgroup v2 is not mounted")
}

// mount is a line of the mount table (proc_pid_mountinfo(5)).
type mount struct {
	root, point string // directory of the file system that is mounted, and the mount point
	fstype      string
	super       string // options of the file system
}

func mountOf(line string) (m mount, ok bool) {
	// 36 35 98:0 /root /mount/point options - type source super
	left, right, ok := strings.Cut(line, " - ")
	fields, about := strings.Fields(left), strings.Fields(right)
	if !ok || len(fields) < 5 || len(about) < 3 {
		return m, false
	}
	return mount{unoctal(fields[3]), unoctal(fields[4]), about[0], about[2]}, true
}

// unoctal decodes octal escapes such as \040 in the mount table.
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

// FindCgroup returns the first directory of the cgroup tree that want accepts, as a
// path relative to the cgroup v2 root. The error wraps ErrNoTarget if there is none.
func (f FS) FindCgroup(want func(path string) bool) (string, error) {
	root, err := f.CgroupRoot()
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrNoTarget, err)
	}
	found := ""
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
		if want(rel) {
			found = rel
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && found == "" {
		err = fmt.Errorf("%w: no such cgroup below %s", ErrNoTarget, root)
	}
	return found, err
}

// ContainerOf returns the id of the container that a cgroup belongs to, or an empty string:
// the 64 hex digits that docker, containerd, cri-o and podman put into the name. It ignores
// the cgroup of conmon, which has the id in its name too, but is only the monitor.
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

// FindContainer returns the cgroup of a container, given by name or by a prefix of its id of
// at least 4 digits. The error wraps ErrNoTarget if there is none.
func (f FS) FindContainer(id string) (string, error) {
	if hex := strings.Trim(id, "0123456789abcdef") == "" && len(id) >= 4; hex {
		found, err := f.FindCgroup(func(p string) bool {
			c := ContainerOf(p)
			return strings.HasPrefix(c, id) && strings.Contains(path.Base(p), c)
		})
		if err == nil {
			return found, nil
		}
	}
	full, err := containerByName(f.containerState(), id)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrNoTarget, err)
	}
	return f.FindCgroup(func(p string) bool { return ContainerOf(p) == full && strings.Contains(path.Base(p), full) })
}

// Match reports whether a process matches the target by its own data. It is false for
// ports, which are matched by sockets.
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

// MatchBrief reports whether the fields that FS.Brief reads are sufficient for Match.
func (t *Target) MatchBrief() bool {
	return t.All || t.PID != 0 || t.Port != 0 || t.Cgroup == "" && t.Name == ""
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
