package proc

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryRoom returns how many bytes the processes in our cgroup can allocate before the memory
// limit of that cgroup, or of a parent, is reached and the OOM killer kills one of them, which
// may be the watched one. The page cache counts as free. limit is the file with the lowest
// limit. ok is false if there is no limit, or none can be read. See cgroups(7), and
// memory.max in Documentation/admin-guide/cgroup-v2.rst.
func (f FS) MemoryRoom() (room uint64, limit string, ok bool) {
	own, err := os.ReadFile(filepath.Join(f.Root, "self/cgroup"))
	if err != nil {
		return 0, "", false
	}
	mounts, err := os.ReadFile(filepath.Join(f.Root, "self/mountinfo"))
	if err != nil {
		return 0, "", false
	}
	for line := range strings.Lines(string(own)) {
		// hierarchy-ID:controller-list:cgroup-path
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) != 3 {
			continue
		}
		v := cgroupV2
		if part[1] != "" {
			if !hasWord(part[1], "memory") {
				continue
			}
			v = cgroupV1
		}
		mount, root := v.mounted(string(mounts))
		if mount == "" {
			continue
		}
		// In a container without a cgroup namespace, its own cgroup is mounted, and the path starts at the host's root.
		below := "/" + strings.TrimPrefix(strings.TrimPrefix(part[2], root), "/")
		for dir := path.Clean(below); ; dir = path.Dir(dir) {
			if r, known := v.room(mount + dir); known && (!ok || r < room) {
				room, limit, ok = r, path.Join(mount, dir, v.limit), true
			}
			if dir == "/" {
				break
			}
		}
	}
	return room, limit, ok
}

// cgroupFiles are the files of a memory controller.
type cgroupFiles struct {
	fstype, option string // file system type and option of the mount
	limit, usage   string
	cache          []string // keys of memory.stat for the page cache
}

var (
	cgroupV1 = &cgroupFiles{"cgroup", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", []string{"total_inactive_file", "total_active_file"}}
	cgroupV2 = &cgroupFiles{"cgroup2", "", "memory.max", "memory.current", []string{"inactive_file", "active_file"}}
)

// mounted returns the mount point of the controller's hierarchy, and the cgroup that is mounted there.
func (c *cgroupFiles) mounted(mountinfo string) (mount, root string) {
	for line := range strings.Lines(mountinfo) {
		if m, ok := mountOf(line); ok && m.fstype == c.fstype && (c.option == "" || hasWord(m.super, c.option)) {
			return strings.TrimSuffix(m.point, "/"), strings.TrimSuffix(m.root, "/")
		}
	}
	return "", ""
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// room returns how many bytes a cgroup can still allocate; known is false if it has no limit.
func (c *cgroupFiles) room(dir string) (room uint64, known bool) {
	limit, err := number(filepath.Join(dir, c.limit))
	const none = 1 << 62 // v1 shows no limit as the largest number of whole pages
	if err != nil || limit >= none {
		return 0, false
	}
	used, err := number(filepath.Join(dir, c.usage))
	if err != nil {
		return 0, false
	}
	if stat, err := os.ReadFile(filepath.Join(dir, "memory.stat")); err == nil {
		for line := range strings.Lines(string(stat)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			for _, k := range c.cache {
				if n, err := strconv.ParseUint(value, 10, 64); key == k && err == nil {
					used -= min(used, n)
				}
			}
		}
	}
	return limit - min(limit, used), true
}

// number reads a file that has one number; "max" is an error.
func number(file string) (uint64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}
