package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// control describes the Debian package.
const control = `Package: akash-provider-bridge
Version: %s
Architecture: %s
Maintainer: akash-provider-web <noreply@localhost>
Section: net
Priority: optional
Depends: ca-certificates
Recommends: systemd
Description: bridge between web pages and Akash providers
 Relays gRPC-Web calls of pages to the gRPC or REST API of Akash providers, and
 verifies their certificates against the chain.
`

// postinst creates the user, and restarts a service that runs. It does not start one: the
// settings are the operator's.
const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemd-sysusers akash-provider-bridge.conf
  systemctl daemon-reload
  systemctl try-restart akash-provider-bridge.service
fi
`

const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl stop akash-provider-bridge.service
fi
`

// writeDebian builds the Debian package of a program.
func (r *release) writeDebian(ctx context.Context, arch, binary string) error {
	dir, err := os.MkdirTemp("", "akash-provider-bridge-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	write := func(name, content string, mode os.FileMode) error {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(content), mode)
	}
	install := func(name, source string, mode os.FileMode) error {
		content, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		return write(name, string(content), mode)
	}
	deploy := filepath.Join(r.root, "bridge/deploy")
	for _, step := range []error{
		write("DEBIAN/control", fmt.Sprintf(control, r.version, arch), 0o644),
		write("DEBIAN/conffiles", "/etc/akash-bridge/bridge.yaml\n", 0o644),
		write("DEBIAN/postinst", postinst, 0o755),
		write("DEBIAN/prerm", prerm, 0o755),
		install("usr/bin/"+program, binary, 0o755),
		install("etc/akash-bridge/bridge.yaml", filepath.Join(deploy, "config.example.yaml"), 0o644),
		install("usr/lib/systemd/system/"+program+".service", filepath.Join(deploy, "systemd", program+".service"), 0o644),
		install("usr/lib/sysusers.d/"+program+".conf", filepath.Join(deploy, "systemd", program+".sysusers"), 0o644),
		install("usr/share/doc/"+program+"/README.md", filepath.Join(r.root, "bridge/README.md"), 0o644),
		install("usr/share/doc/"+program+"/OPERATING.md", filepath.Join(r.root, "bridge/OPERATING.md"), 0o644),
		install("usr/share/doc/"+program+"/copyright", filepath.Join(r.root, "LICENSE"), 0o644),
	} {
		if step != nil {
			return step
		}
	}
	out, err := filepath.Abs(filepath.Join(r.out, fmt.Sprintf("%s_%s_%s.deb", program, r.version, arch)))
	if err != nil {
		return err
	}
	// Debian 12 and Ubuntu 22.04, and later ones, read zstd. Several threads could make
	// other bytes than one.
	build := exec.CommandContext(ctx, "dpkg-deb", "--root-owner-group", "-Zzstd", "--threads-max=1", "--build", dir, out)
	build.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.epoch.Unix()))
	return r.run(build)
}
