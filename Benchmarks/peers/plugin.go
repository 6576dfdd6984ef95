// SPDX-License-Identifier: Apache-2.0

// A volume plugin as the usual Go helper makes one: net/http, encoding/json, a map under a lock, nothing on disk.
//
//	plugin -unix PATH                        listen on a new socket; without any address on the one passed as descriptor 3
//	plugin -tcp HOST:PORT -tls DIR           mutual TLS, with the files that `mobyfs tls create --dir DIR` makes
//
// Get and List say as much as mobyfs does, so that answers are of the same length; with -bare, as many plugins do, no
// Status.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const contentType = "application/vnd.docker.plugins.v1.1+json"

type volume struct {
	Name       string
	Mountpoint string                 `json:",omitempty"`
	CreatedAt  string                 `json:",omitempty"`
	Status     map[string]interface{} `json:",omitempty"`
}

type request struct {
	Name string
	ID   string
	Opts map[string]string `json:",omitempty"`
}

type errorReply struct{ Err string }
type getReply struct{ Volume *volume }
type listReply struct{ Volumes []*volume }
type pathReply struct{ Mountpoint string }
type capability struct{ Scope string }
type capabilitiesReply struct{ Capabilities capability }
type manifest struct{ Implements []string }

// driver keeps volumes and their holders in memory, and loses them when it ends. A volume does not change once it is
// made, so replies are encoded outside of the lock.
type driver struct {
	sync.Mutex
	isBare  bool
	volumes map[string]*volume
	holders map[string]map[string]int
}

func (d *driver) create(r *request) (interface{}, error) {
	if _, ok := d.volumes[r.Name]; !ok {
		made := &volume{
			Name:       r.Name,
			Mountpoint: filepath.Join("/var/lib/plugin/volumes", r.Name, "data"),
			CreatedAt:  time.Now().UTC().Format(time.RFC3339),
		}
		if !d.isBare {
			made.Status = map[string]interface{}{
				"driver": "directory", "mounts": 0, "on-remove": "delete", "options": map[string]string{},
			}
		}
		d.volumes[r.Name] = made
		d.holders[r.Name] = map[string]int{}
	}
	return struct{}{}, nil
}

func (d *driver) remove(r *request) (interface{}, error) {
	if len(d.holders[r.Name]) > 0 {
		return nil, errors.New("volume is in use")
	}
	delete(d.volumes, r.Name)
	delete(d.holders, r.Name)
	return struct{}{}, nil
}

func (d *driver) find(r *request) (*volume, error) {
	if found, ok := d.volumes[r.Name]; ok {
		return found, nil
	}
	return nil, errors.New("no such volume")
}

func (d *driver) get(r *request) (interface{}, error) {
	found, err := d.find(r)
	return getReply{found}, err
}

func (d *driver) path(r *request) (interface{}, error) {
	found, err := d.find(r)
	if err != nil {
		return nil, err
	}
	return pathReply{found.Mountpoint}, nil
}

func (d *driver) mount(r *request) (interface{}, error) {
	found, err := d.find(r)
	if err != nil {
		return nil, err
	}
	d.holders[r.Name][r.ID]++
	return pathReply{found.Mountpoint}, nil
}

func (d *driver) unmount(r *request) (interface{}, error) {
	if held := d.holders[r.Name]; held[r.ID] > 1 {
		held[r.ID]--
	} else {
		delete(held, r.ID)
	}
	return struct{}{}, nil
}

func (d *driver) list(*request) (interface{}, error) {
	reply := listReply{make([]*volume, 0, len(d.volumes))}
	for _, each := range d.volumes {
		reply.Volumes = append(reply.Volumes, each)
	}
	return reply, nil
}

func (d *driver) capabilities(*request) (interface{}, error) {
	return capabilitiesReply{capability{"local"}}, nil
}

// handle serves one call; those without a name have a body that the helper does not read either.
func (d *driver) handle(mux *http.ServeMux, method string, named bool, call func(*request) (interface{}, error)) {
	mux.HandleFunc("/VolumeDriver."+method, func(w http.ResponseWriter, r *http.Request) {
		var in request
		if named {
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		d.Lock()
		reply, err := call(&in)
		d.Unlock()
		w.Header().Set("Content-Type", contentType)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			reply = errorReply{err.Error()}
		}
		json.NewEncoder(w).Encode(reply)
	})
}

func listen(unix, tcp, files string) (net.Listener, error) {
	if unix != "" {
		return net.Listen("unix", unix)
	}
	if tcp == "" {
		return net.FileListener(os.NewFile(3, "passed"))
	}
	certificate, err := tls.LoadX509KeyPair(
		filepath.Join(files, "server-cert.pem"), filepath.Join(files, "server-key.pem"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(files, "ca.pem"))
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in ca.pem")
	}
	return tls.Listen("tcp", tcp, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authorities,
		MinVersion:   tls.VersionTLS12,
	})
}

func main() {
	unix := flag.String("unix", "", "path of the socket to make")
	tcp := flag.String("tcp", "", "host:port to serve with mutual TLS")
	files := flag.String("tls", "", "folder of the certificates")
	isBare := flag.Bool("bare", false, "answer without Status")
	flag.Parse()

	d := &driver{isBare: *isBare, volumes: map[string]*volume{}, holders: map[string]map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/Plugin.Activate", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		json.NewEncoder(w).Encode(manifest{[]string{"VolumeDriver"}})
	})
	d.handle(mux, "Create", true, d.create)
	d.handle(mux, "Remove", true, d.remove)
	d.handle(mux, "Get", true, d.get)
	d.handle(mux, "Path", true, d.path)
	d.handle(mux, "Mount", true, d.mount)
	d.handle(mux, "Unmount", true, d.unmount)
	d.handle(mux, "List", false, d.list)
	d.handle(mux, "Capabilities", false, d.capabilities)

	listener, err := listen(*unix, *tcp, *files)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, mux))
}
