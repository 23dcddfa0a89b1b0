// A vCenter by others, for the client's test: govmomi's simulator with plain HTTP on a port of its own choice.
// Build: `go mod init vcsim && go get github.com/vmware/govmomi@v0.56.0 && go build`, then give the program's path as
// TRANSHUME_VCSIM. It prints its address, and ends when its input ends.
package main

import (
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	model := simulator.VPX()
	model.Cluster, model.ClusterHost, model.Host, model.Machine = 1, 2, 0, 60
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0"}
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Printf("http://%s/sdk\n", server.URL.Host)
	io.Copy(io.Discard, os.Stdin)
}
