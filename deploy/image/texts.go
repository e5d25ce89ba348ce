package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/podjoule/podjoule/deploy/licenses"
)

// addLicenses adds the licenses of a program that was built from a checkout, of what it is
// made of, and of the authorities.
func (p *part) addLicenses(ctx context.Context, source, program string) error {
	authorities, err := ownModule(rootsModule)
	if err != nil {
		return err
	}
	if p.licenses, err = licenses.Of(ctx, source, program, authorities); err != nil {
		return err
	}
	if p.license, err = os.ReadFile(filepath.Join(source, "LICENSE")); err != nil {
		return fmt.Errorf("read the program's own license: %w", err)
	}
	return nil
}

// writeTexts writes the list of what a program is made of that is in no image, or the
// licenses of that.
func (o *order) writeTexts(ctx context.Context) error {
	if o.binary == "" {
		return errors.New("-list and -licenses are for a program that is built already: name it with -binary")
	}
	if o.licenses != "" {
		texts, err := licenses.Of(ctx, o.source, o.binary)
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.licenses, texts, 0o644); err != nil {
			return fmt.Errorf("write the licenses: %w", err)
		}
	}
	if o.list == "" {
		return nil
	}
	from, err := o.origin(ctx)
	if err != nil {
		return err
	}
	bill, err := billOfMaterials(o.binary, from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.list, bill, 0o644); err != nil {
		return fmt.Errorf("write the list of modules: %w", err)
	}
	return nil
}
