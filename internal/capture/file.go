package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// unknown stands in file names for mail that bears no id of ours.
const unknown = "unknown"

// envelope is what stands beside the octets.
type envelope struct {
	From       string    `json:"from"`
	To         string    `json:"to"`
	ReceivedAt time.Time `json:"received_at"`
}

// write makes one pair of files for each recipient.
func (s *Server) write(from string, to []string, raw []byte) error {
	id, at := idOf(raw), s.now().UTC()
	for _, rcpt := range to {
		meta, err := json.Marshal(envelope{from, rcpt, at})
		if err == nil {
			err = s.writePair(id, append(meta, '\n'), raw)
		}
		if err != nil {
			return fmt.Errorf("capture: write %s: %w", id, err)
		}
	}
	return nil
}

// writePair writes both files under passing names and renames them: the .json
// first, so that whoever finds an .eml finds its envelope too.
func (s *Server) writePair(id string, meta, raw []byte) error {
	j, err := s.temp(meta)
	if err != nil {
		return err
	}
	defer os.Remove(j) // fails after the rename, as it should
	e, err := s.temp(raw)
	if err != nil {
		return err
	}
	defer os.Remove(e)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	name, err := s.next(id)
	if err != nil {
		return err
	}
	if err := os.Rename(j, name+".json"); err != nil {
		return err
	}
	return os.Rename(e, name+".eml")
}

// temp writes b to a file of mode 0600 and returns its name.
func (s *Server) temp(b []byte) (string, error) {
	f, err := os.CreateTemp(s.dir, ".tmp-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// next returns the path of the first unused number of a mail, without its
// ending. Callers hold s.mu. A mail has few files, so looking from 1 on is
// cheap; those without id may be many.
func (s *Server) next(id string) (string, error) {
	n := 1
	if id == unknown {
		n = s.unknown + 1
	}
	for ; ; n++ {
		name := filepath.Join(s.dir, fmt.Sprintf("%s-%d", id, n))
		_, jerr := os.Lstat(name + ".json")
		_, eerr := os.Lstat(name + ".eml")
		if errors.Is(jerr, fs.ErrNotExist) && errors.Is(eerr, fs.ErrNotExist) {
			if id == unknown {
				s.unknown = n
			}
			return name, nil
		}
		if err := errors.Join(notMissing(jerr), notMissing(eerr)); err != nil {
			return "", err
		}
	}
}

// notMissing returns the errors that do not mean that a file is missing.
func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
