package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// FerretDB creates a database, a collection or an index in several statements without a transaction. A process killed
// between two of them leaves files that FerretDB then cannot work with: it refuses to start on a database without its
// list of collections, or the collection or index can never be created again because its name is taken, or the
// collection has no index on _id and takes the same _id twice. None of these was acknowledged, so none holds anything:
// repair takes them away before FerretDB starts.

const collectionsTable = "_ferretdb_collections"

func repair(dir string, log *slog.Logger) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.sqlite"))
	if err != nil {
		return err
	}

	for _, file := range files {
		if err := repairFile(file, log); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}

	return nil
}

func repairFile(file string, log *slog.Logger) error {
	db, err := openSQLite(file)
	if err != nil {
		return err
	}
	defer db.Close()

	tables, err := names(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return err
	}

	if !tables[collectionsTable] {
		if len(tables) != 0 {
			return fmt.Errorf("has tables but no %s: not a database of FerretDB's", collectionsTable)
		}

		log.Error("repair: removing a database that was not complete", "file", file)
		db.Close()

		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(file + suffix); err != nil && !os.IsNotExist(err) {
				return err
			}
		}

		return nil
	}
	delete(tables, collectionsTable)

	// What should be there: the collections with their index on _id, and the other indexes by SQLite's names for them.
	rows, err := db.Query("SELECT table_name, settings FROM " + collectionsTable)
	if err != nil {
		return err
	}
	defer rows.Close()

	listed := map[string]bool{}
	indexes := map[string]bool{}

	for rows.Next() {
		var table, text string
		if err := rows.Scan(&table, &text); err != nil {
			return err
		}

		var settings struct {
			Indexes []struct {
				Name string `json:"name"`
			} `json:"indexes"`
		}
		if err := json.Unmarshal([]byte(text), &settings); err != nil {
			return err
		}

		for _, index := range settings.Indexes {
			indexes[table+"_"+index.Name] = true
		}

		listed[table] = indexes[table+"__id_"]
	}
	if err := rows.Err(); err != nil {
		return err
	}

	for table, complete := range listed {
		if !complete {
			log.Error("repair: removing a collection that was not complete", "file", file, "table", table)
			if _, err := db.Exec("DELETE FROM "+collectionsTable+" WHERE table_name = ?", table); err != nil {
				return err
			}
		}
	}

	for table := range tables {
		if !listed[table] {
			log.Error("repair: removing a table of no collection", "file", file, "table", table)
			if _, err := db.Exec("DROP TABLE " + quote(table)); err != nil {
				return err
			}
		}
	}

	present, err := names(db, "SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return err
	}

	for index := range present {
		if !indexes[index] {
			log.Error("repair: removing an index that was not complete", "file", file, "index", index)
			if _, err := db.Exec("DROP INDEX " + quote(index)); err != nil {
				return err
			}
		}
	}

	return nil
}

// openSQLite uses the driver that FerretDB brings and registers.
func openSQLite(file string) (*sql.DB, error) {
	return sql.Open("sqlite", file)
}

// names returns the strings a query selects.
func names(db *sql.DB, query string) (map[string]bool, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	set := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		set[name] = true
	}

	return set, rows.Err()
}

func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
