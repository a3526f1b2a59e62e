package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"os"
	"time"
)

// file is a file of an archive.
type file struct {
	name       string
	content    []byte
	executable bool
}

func (f file) mode() int64 {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// writeTar writes files into a directory of an archive. Their owner is root, and their time
// that of the release, so that the archive depends on nothing else.
func writeTar(path, dir string, files []file, modified time.Time) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer closeAfter(out, &err)
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: dir + "/" + f.name, Mode: f.mode(), Size: int64(len(f.content)), ModTime: modified, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

// writeZip writes files into a directory of an archive.
func writeZip(path, dir string, files []file, modified time.Time) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer closeAfter(out, &err)
	w := zip.NewWriter(out)
	for _, f := range files {
		header := &zip.FileHeader{Name: dir + "/" + f.name, Method: zip.Deflate, Modified: modified}
		header.SetMode(os.FileMode(f.mode()))
		entry, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}

// closeAfter closes a file that was written.
func closeAfter(f *os.File, err *error) {
	if closeErr := f.Close(); *err == nil {
		*err = closeErr
	}
}
