// Command image builds the container image of podjoule, for several platforms at once,
// from a checkout: without Docker, without a registry, and so that whoever builds the
// same commit with the same Go gets the same bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

// order is what the command line asks for.
type order struct {
	file      string // the archive
	name      string
	source    string // the checkout
	platforms string
	binary    string // instead of a checkout
	arguments []string
	user      string
	plain     bool
	list      string // instead of an image
	licenses  string // so too
	from      origin // what git is not asked for
	epoch     string // SOURCE_DATE_EPOCH
}

const usage = `usage: image [FLAG...]                          builds podjoule of a checkout
       image -binary FILE [FLAG...] [ARGUMENT...]  packs a static program that is built already
       image -binary FILE -list FILE [FLAG...]     writes what it is made of, and no image
       image -binary FILE -licenses FILE [FLAG...] writes the licenses of that, and no image

The archive is an OCI image layout, which "ctr images import", "skopeo copy oci-archive:"
and "minikube image load" take. For one platform alone "docker load" takes it too. Beside
an archive of podjoule lies a list of what is in it, for each platform (CycloneDX).

`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o order
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.file, "o", "podjoule-image.tar", "write the archive to this `file`")
	flags.StringVar(&o.name, "name", "podjoule:dev", "the image's `name` and tag")
	flags.StringVar(&o.source, "source", filepath.Join("..", ".."), "the checkout's `folder`")
	flags.StringVar(&o.platforms, "platforms", "linux/amd64,linux/arm64", "build for these, a `list`")
	flags.StringVar(&o.binary, "binary", "", "pack this `file`, for the platform that it is for")
	flags.StringVar(&o.user, "user", "65534:65534", "run as this `user`; empty is root")
	flags.BoolVar(&o.plain, "plain", false, "do not compress, which is quicker")
	flags.StringVar(&o.list, "list", "", "write the list of a program's modules to this `file`, and no image")
	flags.StringVar(&o.licenses, "licenses", "", "write the licenses of a program's modules to this `file`, and no image")
	flags.StringVar(&o.from.version, "version", "", "the `version` of the checkout, instead of git's word")
	flags.StringVar(&o.from.revision, "revision", "", "its `commit`, instead of git's word")
	flags.StringVar(&o.epoch, "created", os.Getenv("SOURCE_DATE_EPOCH"), "when that was made, in `seconds` since 1970; usual: $SOURCE_DATE_EPOCH, or git's word")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.arguments = flags.Args()
	if o.binary == "" && len(o.arguments) > 0 {
		return fmt.Errorf("unexpected %q: arguments are for -binary alone", o.arguments[0])
	}
	if o.list != "" || o.licenses != "" {
		return o.writeTexts(ctx)
	}
	work, err := os.MkdirTemp("", "podjoule-image-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what stays of it harms nothing
	parts, err := o.parts(ctx, work)
	if err != nil {
		return err
	}
	digest, err := o.write(work, parts)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s  %s  %s\n", digest, o.name, o.file)
	return err
}

// parts makes what the image has for each platform.
func (o *order) parts(ctx context.Context, work string) ([]part, error) {
	certificates, err := roots()
	if err != nil {
		return nil, err
	}
	if o.binary != "" {
		p := part{name: filepath.Base(o.binary), arguments: o.arguments, user: o.user, certificates: certificates}
		if p.platform, err = platformOf(o.binary); err != nil {
			return nil, err
		}
		p.binary, err = os.ReadFile(o.binary)
		return []part{p}, err
	}
	from, err := o.origin(ctx)
	if err != nil {
		return nil, err
	}
	var all []part
	for platform := range strings.SplitSeq(o.platforms, ",") {
		p := part{platform: strings.TrimSpace(platform), name: "podjoule", user: o.user, port: "9464/tcp", certificates: certificates, from: from}
		file := filepath.Join(work, strings.ReplaceAll(p.platform, "/", "-"))
		if err := compile(ctx, o.source, p.platform, from, file); err != nil {
			return nil, err
		}
		if p.binary, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read what was built: %w", err)
		}
		if err := p.addLicenses(ctx, o.source, file); err != nil {
			return nil, err
		}
		if err := o.writeBill(file, p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// writeBill writes the list of what a program is made of beside the archive.
func (o *order) writeBill(program string, p part) error {
	_, architecture, _ := strings.Cut(p.platform, "/")
	file := fmt.Sprintf("%s-%s.cdx.json", strings.TrimSuffix(o.file, ".tar"), architecture)
	bill, err := imageBill(program, p.from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, bill, 0o644); err != nil {
		return fmt.Errorf("write the list of modules: %w", err)
	}
	return nil
}
