package proc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMemoryRoom checks that the lowest limit of the cgroup and its parents is used, for v1 and v2.
func TestMemoryRoom(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name, cgroup, mounts string // MNT is replaced by the directory of the tree
		files                map[string]string
		room                 uint64
		limit                string
	}{
		{"v2", "0::/a/b\n", "30 1 0:26 / MNT rw - cgroup2 cgroup2 rw\n", map[string]string{
			"a/memory.max": "209715200\n", "a/memory.current": "104857600\n", "a/memory.stat": "anon 5\ninactive_file 10485760\nactive_file 10485760\n",
			"a/b/memory.max": "max\n", "a/b/memory.current": "5\n",
		}, 120 * mib, "a/memory.max"},
		{"v2, the tighter one", "0::/a/b\n", "30 1 0:26 / MNT rw - cgroup2 cgroup2 rw\n", map[string]string{
			"a/memory.max": "209715200\n", "a/memory.current": "0\n", "a/b/memory.max": "104857600\n", "a/b/memory.current": "200000000\n",
		}, 0, "a/b/memory.max"},
		{"v2 in a namespace", "0::/\n", "30 1 0:26 / MNT rw - cgroup2 cgroup2 rw\n", map[string]string{
			"memory.max": "104857600\n", "memory.current": "1048576\n",
		}, 99 * mib, "memory.max"},
		{"v2 bound to a container", "0::/docker/4711\n", "30 1 0:26 /docker/4711 MNT rw - cgroup2 cgroup2 rw\n", map[string]string{
			"memory.max": "104857600\n", "memory.current": "1048576\n",
		}, 99 * mib, "memory.max"},
		{"v1", "12:pids:/x\n5:memory,hugetlb:/a\n0::/\n", "30 1 0:26 / /elsewhere rw - cgroup cgroup rw,pids\n31 1 0:27 / MNT rw - cgroup cgroup rw,memory,hugetlb\n", map[string]string{
			"a/memory.limit_in_bytes": "104857600\n", "a/memory.usage_in_bytes": "52428800\n", "a/memory.stat": "inactive_file 52428800\ntotal_inactive_file 1048576\n",
			"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "1\n",
		}, 51 * mib, "a/memory.limit_in_bytes"},
		{"no limit", "0::/a\n", "30 1 0:26 / MNT rw - cgroup2 cgroup2 rw\n", map[string]string{"a/memory.max": "max\n"}, 0, ""},
		{"not mounted", "0::/a\n", "30 1 0:26 / / rw - ext4 /dev/sda rw\n", nil, 0, ""},
		{"nonsense", "\x00\n::\n0:\n0::/../../x\n", "30\n - cgroup2\n1 2 3 4 5 - cgroup2\n", nil, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name, text string) {
				p := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("proc/self/cgroup", test.cgroup)
			put("proc/self/mountinfo", strings.ReplaceAll(test.mounts, "MNT", dir+"/tree"))
			for name, text := range test.files {
				put("tree/"+name, text)
			}
			room, limit, ok := FS{Root: dir + "/proc"}.MemoryRoom()
			if ok != (test.limit != "") || room != test.room {
				t.Errorf("%d MiB (%d), %v; want %d", room>>20, room, ok, test.room>>20)
			}
			if ok && limit != filepath.Join(dir, "tree", test.limit) {
				t.Errorf("the limit is in %s, want %s", limit, test.limit)
			}
		})
	}
}
