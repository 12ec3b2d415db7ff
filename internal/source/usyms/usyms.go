//go:build linux

// Package usyms finds the mapped file of a process, and the offset in it, for an address of code, from
// /proc/PID/maps. The files are parsed by the unprivileged process, with package elfsyms.
package usyms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/intime"
)

// Resolver caches the mappings of processes, and keeps the mapped files open. Only Module is safe for concurrent
// use.
type Resolver struct {
	// Local translates a pid to that in /proc; nil if they are the same.
	Local func(pid uint32) uint32
	// Proc is the mount point of /proc.
	Proc  string
	files map[fileKey]uint32 // numbers of files; 0 if a file cannot be opened
	procs map[uint32][]mapping

	mu   sync.Mutex
	last uint32              // last number assigned
	open map[uint32]*os.File // by number
}

const (
	// maxFiles and maxProcs are the maximum sizes of the caches. A full one is cleared.
	maxFiles = 256
	maxProcs = 256
)

// fileKey identifies a file by device and inode.
type fileKey struct {
	dev   string
	inode uint64
}

// mapping is an executable mapping of a process.
type mapping struct {
	from, to, offset uint64
	file             fileKey
	path             string
}

// Location is the file and offset of an address.
type Location struct {
	File   string // path as the process sees it, or a name such as [vdso]
	Offset uint64 // in the file
	Module uint32 // number of the file, for Module; 0 if it is not open
}

// New returns an empty resolver.
func New() *Resolver {
	return &Resolver{Proc: "/proc", files: map[fileKey]uint32{}, procs: map[uint32][]mapping{}, open: map[uint32]*os.File{}}
}

func (r *Resolver) dir(pid uint32) string {
	if r.Local != nil {
		pid = r.Local(pid)
	}
	return filepath.Join(r.Proc, strconv.FormatUint(uint64(pid), 10))
}

// Forget removes the cached mappings of a process that has ended or exec'ed.
func (r *Resolver) Forget(pid uint32) { delete(r.procs, pid) }

// Learn reads the mappings of a process and opens the files now, because the process may
// have ended when they are needed.
func (r *Resolver) Learn(pid uint32) {
	r.read(pid)
	for _, m := range r.procs[pid] {
		if m.file.inode != 0 {
			r.module(pid, m)
		}
	}
}

func (r *Resolver) read(pid uint32) {
	maps, err := intime.Do(readWithin, func() ([]mapping, error) {
		f, err := os.Open(filepath.Join(r.dir(pid), "maps"))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return parseMaps(f)
	})
	if err != nil || len(maps) == 0 {
		return // the process is ending: keep the cached mappings
	}
	if len(r.procs) >= maxProcs {
		clear(r.procs)
	}
	r.procs[pid] = maps
}

// module returns the number of a mapped file, and opens it if necessary. It returns 0 if the file cannot be
// opened, and does not try again.
func (r *Resolver) module(pid uint32, m mapping) uint32 {
	id, known := r.files[m.file]
	if !known {
		if len(r.files) >= maxFiles {
			r.closeAll()
			clear(r.files)
		}
		if f := r.file(pid, m); f != nil {
			r.mu.Lock()
			r.last++
			id = r.last
			r.open[id] = f
			r.mu.Unlock()
		}
		r.files[m.file] = id
	}
	return id
}

// ErrNoModule means that there is no open file with a number.
var ErrNoModule = errors.New("the file is no longer open")

// Module returns a duplicate of the descriptor of a mapped file, given by number. The caller must close it. It is
// safe for concurrent use.
func (r *Resolver) Module(id uint32) (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.open[id]
	if f == nil {
		return nil, ErrNoModule
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("another descriptor of %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (r *Resolver) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.open {
		f.Close()
	}
	clear(r.open)
}

// Find returns the location of an address of a process. It returns false if it is not
// known: the process has ended, or the address is in no mapping with a name.
func (r *Resolver) Find(pid uint32, addr uint64) (Location, bool) {
	m, ok := find(r.procs[pid], addr)
	if !ok {
		r.read(pid) // not read yet, or mapped since
		if m, ok = find(r.procs[pid], addr); !ok {
			return Location{}, false
		}
	}
	at := addr - m.from + m.offset
	if m.file.inode == 0 {
		return Location{File: m.path, Offset: addr - m.from}, true
	}
	return Location{File: m.path, Offset: at, Module: r.module(pid, m)}, true
}

// file opens a mapped file, or returns nil. It uses /proc/PID/map_files, which works even if the path refers to
// another file now, or else the path as the process sees it.
func (r *Resolver) file(pid uint32, m mapping) *os.File {
	dir := r.dir(pid)
	for _, open := range []func() (*os.File, error){
		func() (*os.File, error) {
			fd, err := unix.Open(filepath.Join(dir, "map_files", fmt.Sprintf("%x-%x", m.from, m.to)), unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return nil, err
			}
			return regular(fd, func(*unix.Stat_t) bool { return true })
		},
		func() (*os.File, error) { return openBelow(filepath.Join(dir, "root"), m) },
	} {
		if f, err := intime.Do(readWithin, open); err == nil {
			return f
		}
	}
	return nil
}

// readWithin is the timeout for reading the mappings and opening a file.
const readWithin = time.Second

// errOther means that a path refers to a file that must not be opened: it is not a regular file, or it is not the
// mapped one and not readable by all.
var errOther = errors.New("not the file that is mapped")

// openBelow opens a mapped file by its path below the root directory of the process. The process may have put
// another file there, which it may not be allowed to read itself, and which we must not pass to the unprivileged
// process. So the file must have the device and inode of the mapping, or be readable by all, as on some file
// systems (overlayfs, btrfs) these numbers differ. The paths in maps have no symbolic links.
func openBelow(root string, m mapping) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, strings.TrimSuffix(m.path, " (deleted)"), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, err
	}
	return regular(fd, func(st *unix.Stat_t) bool {
		return st.Mode&0o004 != 0 || st.Ino == m.file.inode && m.file.dev == fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev))
	})
}

// regular opens the file of an O_PATH descriptor for reading, and closes the descriptor. It opens only regular
// files: opening a FIFO may block, and opening a device may have side effects.
func regular(fd int, wanted func(*unix.Stat_t) bool) (*os.File, error) {
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || !wanted(&st) {
		return nil, errOther
	}
	// By way of the descriptor, as the path may refer to another file now.
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

func find(maps []mapping, addr uint64) (mapping, bool) {
	i, _ := slices.BinarySearchFunc(maps, addr, func(m mapping, addr uint64) int {
		switch {
		case m.to <= addr:
			return -1
		case m.from > addr:
			return 1
		}
		return 0
	})
	if i < len(maps) && maps[i].from <= addr && addr < maps[i].to {
		return maps[i], true
	}
	return mapping{}, false
}

// parseMaps returns the executable mappings with a name in /proc/PID/maps (proc(5)).
func parseMaps(r io.Reader) ([]mapping, error) {
	var maps []mapping
	sc := bufio.NewScanner(r)
	for line := 1; sc.Scan(); line++ {
		f := bytes.SplitN(sc.Bytes(), []byte(" "), 6)
		if len(f) < 5 {
			return nil, fmt.Errorf("line %d is not of maps: %q", line, sc.Text())
		}
		from, to, ok := strings.Cut(string(f[0]), "-")
		var m mapping
		var err [4]error
		m.from, err[0] = strconv.ParseUint(from, 16, 64)
		m.to, err[1] = strconv.ParseUint(to, 16, 64)
		m.offset, err[2] = strconv.ParseUint(string(f[2]), 16, 64)
		m.file.dev = string(f[3])
		m.file.inode, err[3] = strconv.ParseUint(string(f[4]), 10, 64)
		for _, e := range err {
			if e != nil || !ok {
				return nil, fmt.Errorf("line %d is not of maps: %q", line, sc.Text())
			}
		}
		if len(f) == 6 {
			m.path = strings.TrimLeft(string(f[5]), " ")
		}
		if len(f[1]) == 4 && f[1][2] == 'x' && m.path != "" && m.from < m.to {
			maps = append(maps, m)
		}
	}
	return maps, sc.Err()
}
