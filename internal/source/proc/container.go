package proc

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// containerState returns the directory with the state of docker and podman: var/lib next to
// the root of /proc (tests have their own tree).
func (f FS) containerState() string {
	return filepath.Join(filepath.Dir(f.Root), "var/lib")
}

// containerByName returns the id of the container of that name, from the state of docker
// (containers/ID/config.v2.json) or podman (containers.json).
func containerByName(lib, name string) (string, error) {
	configs, _ := filepath.Glob(filepath.Join(lib, "docker/containers/*/config.v2.json"))
	for _, file := range configs {
		var c struct{ ID, Name string }
		if b, err := os.ReadFile(file); err == nil && json.Unmarshal(b, &c) == nil &&
			strings.TrimPrefix(c.Name, "/") == name {
			return c.ID, nil
		}
	}
	var list []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	if b, err := os.ReadFile(filepath.Join(lib, "containers/storage/overlay-containers/containers.json")); err == nil &&
		json.Unmarshal(b, &list) == nil {
		for _, c := range list {
			if slices.Contains(c.Names, name) {
				return c.ID, nil
			}
		}
	}
	return "", fmt.Errorf("no container %q by id or name (docker, podman)", name)
}
