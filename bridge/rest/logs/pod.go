package logs

import (
	"strconv"
	"strings"
)

// maxPodName is the length of a DNS subdomain, which a pod's name is.
const maxPodName = 253

// isPodName reports whether a name can be a pod's.
func isPodName(name []byte) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return 0 < len(name) && len(name) <= maxPodName
}

// serviceOf returns the service that a pod belongs to: the longest of the known
// names that the pod's name begins with, or, where none fits, what is left of it
// without the part that Kubernetes adds.
func serviceOf(pod string, known []string) string {
	longest := ""
	for _, name := range known {
		if len(name) > len(longest) && strings.HasPrefix(pod, name) && strings.HasPrefix(pod[len(name):], "-") {
			longest = name
		}
	}
	if longest != "" {
		return longest
	}
	parts := strings.Split(pod, "-")
	n := len(parts)
	switch {
	case n >= 2 && isOrdinal(parts[n-1]): // of a StatefulSet: <service>-<n>
		return strings.Join(parts[:n-1], "-")
	case n >= 3: // of a Deployment: <service>-<replica set>-<5 characters>
		return strings.Join(parts[:n-2], "-")
	}
	return parts[0]
}

// ordinalOf returns the number that the pod of a StatefulSet has in its name.
func ordinalOf(pod, service string) (uint32, bool) {
	suffix, ok := strings.CutPrefix(pod, service+"-")
	if !ok || !isOrdinal(suffix) {
		return 0, false
	}
	n, err := strconv.ParseUint(suffix, 10, 32)
	return uint32(n), err == nil
}

func isOrdinal(s string) bool { return s != "" && len(s) <= 9 && strings.Trim(s, "0123456789") == "" }

// pod is one replica as its log lines show it. All fields belong to the merger
// that has it.
type pod struct {
	name    string
	service string
	group   *group // of the service
	waits   bool   // it is in group.waiting
	replica uint32
	// numbered says that replica is settled; until then its
	// lines are held back.
	numbered bool
	// named says that the page knows which pod this log is from.
	named bool
	// told says that the page knew it at some time.
	told bool
	// gap says that lines before the first one are missing, and that this has not been
	// reported to the page yet.
	gap bool
	// wanted says that the call's filter selects the replica.
	wanted bool
	// from is the feed that its lines come from, nil if none has it; before is the one
	// that they came from, until from has caught up with it.
	from, before *Feed
	// stays says that newer feeds than from do not get to the pod's new lines.
	stays bool
	// doubtful says that the held lines do not show whether they are new.
	doubtful bool
	// gone says that the pod no longer exists.
	gone bool
	// lost says that a gap was reported after the last line.
	lost bool
	// suspect is how many lines there were when a later one was seen elsewhere.
	suspect int
	quiet   quiet
	// prefix is what every line of the pod begins with.
	prefix []byte

	held    []byte // lines held back until it is known what they are
	lines   []heldLine
	history *history // nil if nobody needs it
	overlap *overlap // while a new feed may repeat what was sent already
	// early says that there may be more history than was asked for.
	early bool

	first, last int32 // of its segments in the merger's batch
	size        int   // their bytes
}

// heldLine is a line in pod.held: where it ends, and its fingerprint.
type heldLine struct {
	end   int
	print uint64
}
