//go:build linux

package load

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInterfaces compares the list of interfaces of another network namespace with the one that is read inside of
// it. If possible it creates more interfaces than the BPF program reads at once.
func TestInterfaces(t *testing.T) {
	needRoot(t)
	k, err := Load(Config{Self: uint32(os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if !k.TellsInterfaces() {
		t.Fatal("the iterator does not load")
	}
	type result struct {
		netns uint64
		want  []Iface
		err   error
	}
	made, over := make(chan result), make(chan struct{})
	defer close(over)
	go func() {
		runtime.LockOSThread() // never unlocked, so that no other goroutine runs in that namespace
		var r result
		if r.err = unix.Unshare(unix.CLONE_NEWNET); r.err == nil {
			for i := range 40 {
				if out, err := exec.Command("ip", "link", "add", fmt.Sprintf("pair%d", i), "type", "veth").CombinedOutput(); err != nil {
					t.Logf("no more interfaces: %v: %s", err, out)
					break
				}
			}
			var list []net.Interface
			list, r.err = net.Interfaces()
			for _, i := range list {
				r.want = append(r.want, Iface{uint32(i.Index), i.Name})
			}
			var st unix.Stat_t
			if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
				r.err = err
			}
			r.netns = st.Ino
		}
		made <- r
		<-over // the namespace exists while a thread is in it
	}()
	r := <-made
	if r.err != nil {
		t.Fatal(r.err)
	}
	for range 2 { // the second call must start from the beginning
		got, err := k.Interfaces(uint32(r.netns))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, r.want) {
			t.Errorf("%d interfaces, want %d:\n%v\n%v", len(got), len(r.want), got, r.want)
		}
	}
	if got, err := k.Interfaces(1); err != nil || len(got) > 0 {
		t.Errorf("of a namespace that is not there: %v, %v", got, err)
	}
}
