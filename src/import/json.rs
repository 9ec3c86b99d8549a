//! JSON as command-line tools print it: one document or several one after the other, in one file or in all of a folder,
//! with the place of each object that is a statement. Knows no meaning.

use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use super::reading::{File, Files, fault};
use super::{Place, Unreadable};
use crate::limits::IMPORT_STATEMENTS;

/// An object with its place.
#[derive(Clone, Debug)]
pub struct Object {
    pub value: Value,
    pub place: Place,
}

/// What a document is at its top.
pub enum Document {
    List(Vec<Object>),
    /// Its keys, each with what stands there: a list's objects, or one object.
    Keys(Vec<(String, Vec<Object>)>, Object),
}

/// All documents of a file, or of the files of a folder that end in `.json`.
pub fn read(source: &Path, files: &mut Files) -> Result<Vec<Document>, Unreadable> {
    let top = Place { file: files.shown(source), line: 1, column: 1 };
    let paths = match source.is_dir() {
        true => files.folder(source, &top, |name| name.ends_with(".json"))?,
        false => vec![source.to_path_buf()],
    };
    let mut documents = Vec::new();
    let mut objects = 0;
    for path in paths {
        let file = files.text(&path, &top)?;
        for raw in serde_json::Deserializer::from_str(&file.text).into_iter::<&RawValue>() {
            let raw = raw.map_err(|error| wrong(&file, &error))?;
            documents.push(document(&file, raw, &mut objects)?);
        }
    }
    match documents.is_empty() {
        true => Err(fault(&top, "there is no JSON in it", "write the command's output into the file")),
        false => Ok(documents),
    }
}

fn wrong(file: &File, error: &serde_json::Error) -> Unreadable {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default();
    let place = Place {
        file: file.name.clone(),
        line: error.line().max(1) as u32,
        column: error.column().max(1) as u32,
    };
    fault(&place, format!("it is no JSON: {message}"), "write the command's output into the file as it is")
}

fn document(file: &File, raw: &RawValue, objects: &mut usize) -> Result<Document, Unreadable> {
    if raw.get().starts_with('[') {
        return Ok(Document::List(list(file, raw, objects)?));
    }
    if !raw.get().starts_with('{') {
        return Err(fault(
            &place(file, raw),
            "an object or a list should stand here",
            "write the command's output as it is",
        ));
    }
    let keys: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| wrong(file, &error))?;
    let mut found = Vec::new();
    for (key, raw) in keys {
        let inner = match raw.get().as_bytes().first() {
            Some(b'[') => list(file, raw, objects)?,
            Some(b'{') => vec![object(file, raw, objects)?],
            _ => Vec::new(),
        };
        found.push((key, inner));
    }
    found.sort_by_key(|(_, inner)| inner.first().map(|object| object.place.clone()));
    Ok(Document::Keys(found, object(file, raw, objects)?))
}

fn list(file: &File, raw: &RawValue, objects: &mut usize) -> Result<Vec<Object>, Unreadable> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|error| wrong(file, &error))?;
    items.into_iter().map(|raw| object(file, raw, objects)).collect()
}

fn object(file: &File, raw: &RawValue, objects: &mut usize) -> Result<Object, Unreadable> {
    *objects += 1;
    if *objects > IMPORT_STATEMENTS {
        return Err(fault(
            &file.top(),
            format!("more than {IMPORT_STATEMENTS} objects"),
            "import its parts one by one",
        ));
    }
    let value = serde_json::from_str(raw.get()).map_err(|error| wrong(file, &error))?;
    Ok(Object { value, place: place(file, raw) })
}

/// What was read is a part of the file's own text, so that its address says where it stands.
fn place(file: &File, raw: &RawValue) -> Place {
    let offset = (raw.get().as_ptr() as usize).checked_sub(file.text.as_ptr() as usize);
    file.place(offset.unwrap_or(0))
}

/// The text at a key; none if it is missing or empty.
pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}
