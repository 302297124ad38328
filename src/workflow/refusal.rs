//! Why a script is refused before anything runs: its size, its characters, its module shape.

use oxc::ast::ast::{
    Declaration, Expression, ImportExpression, ImportMeta, Program, Statement, VariableDeclaration,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::{GetSpan, Span};

use super::SCRIPT_BYTES_MAX;
use super::meta::{Meta, place};
use crate::diagnostic::{Diagnostic, Place, Severity};

const META_HELP: &str = "begin the file with `export const meta = { name: '…', description: '…' }`";

/// Refuses a text that need not be parsed to be refused.
pub(super) fn check_text(text: &str) -> Result<(), Vec<Diagnostic>> {
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(vec![
            Diagnostic::new(
                Severity::Error,
                "script::too-large",
                format!("Script exceeds {SCRIPT_BYTES_MAX} bytes: it has {} bytes", text.len()),
            )
            .with_help("move long texts into files that the agents read"),
        ]);
    }
    match text.char_indices().find(|(offset, character)| is_hidden(*offset, *character)) {
        None => Ok(()),
        Some((offset, character)) => Err(vec![
            Diagnostic::new(
                Severity::Error,
                "script::control-character",
                format!("hidden control character U+{:04X}", u32::from(character)),
            )
            .with_help("remove it, or write it as an escape such as \\u001b")
            .with_place(Place::at(text, offset, character.len_utf8())),
        ]),
    }
}

/// Control characters, and the marks that reorder text so that it reads as other code.
fn is_hidden(offset: usize, character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{feff}' => offset != 0,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// Where `meta` is, once the module shape has been accepted.
pub(super) struct Accepted {
    /// `meta` as read.
    pub(super) meta: Meta,
    /// Its whole declaration.
    pub(super) meta_span: Span,
}

/// Refuses scripts whose module shape is not a workflow's.
pub(super) fn check_program(
    text: &str,
    program: &Program<'_>,
) -> Result<Accepted, Vec<Diagnostic>> {
    if let Some(hashbang) = &program.hashbang {
        return Err(vec![
            error(text, hashbang.span, "script::syntax", "a workflow has no #! line")
                .with_help("remove the first line"),
        ]);
    }
    let mut module = ModuleShape { text, found: Vec::new() };
    let is_default =
        |statement: &&Statement<'_>| matches!(statement, Statement::ExportDefaultDeclaration(_));
    if let Some(default) = program.body.iter().find(is_default) {
        return Err(vec![
            error(
                text,
                head(default.span()),
                "script::export-default",
                "`export default` belongs to another workflow dialect, this runtime has none",
            )
            .with_help(
                "export only `meta` and write the body at top level; `agent`, `parallel`, \
                 `pipeline`, `phase`, `log`, `workflow`, `args` and `budget` are globals",
            ),
        ]);
    }
    let meta = find_meta(text, program);
    let skip = meta.as_ref().ok().map(|accepted| accepted.meta_span);
    for statement in &program.body {
        if Some(statement.span()) != skip && meta_declarator(statement).is_none() {
            module.check(statement);
        }
    }
    module.visit_program(program);
    match meta {
        Ok(accepted) if module.found.is_empty() => Ok(accepted),
        Ok(_) => Err(module.found),
        Err(diagnostic) => {
            module.found.insert(0, diagnostic);
            Err(module.found)
        }
    }
}

fn find_meta(text: &str, program: &Program<'_>) -> Result<Accepted, Diagnostic> {
    let late = |span| {
        error(
            text,
            head(span),
            "script::meta-late",
            "`export const meta = {...}` must be the FIRST statement in the script",
        )
        .with_help("move it to the top; only comments may come before it")
    };
    let position = program.body.iter().position(|statement| meta_declarator(statement).is_some());
    let Some(statement) = position.and_then(|position| program.body.get(position)) else {
        return Err(error(
            text,
            Span::new(0, 0),
            "script::meta-missing",
            "`export const meta = {...}` must be the FIRST statement in the script: there is none",
        )
        .with_help(META_HELP));
    };
    if position != Some(0) || !program.directives.is_empty() {
        return Err(late(statement.span()));
    }
    let (Some((Some(init), _)), Statement::ExportDeclaration(_)) =
        (meta_declarator(statement), statement)
    else {
        return Err(error(
            text,
            head(statement.span()),
            "script::meta-missing",
            "`meta` must be exported and be alone in its declaration",
        )
        .with_help(META_HELP));
    };
    let meta_span = statement.span();
    Ok(Accepted { meta: Meta::read(text, init, meta_span)?, meta_span })
}

type MetaDeclarator<'s, 'a> = (Option<&'s Expression<'a>>, Span);

/// The initialiser of `meta` where `statement` declares it alone as a constant.
fn meta_declarator<'s, 'a>(statement: &'s Statement<'a>) -> Option<MetaDeclarator<'s, 'a>> {
    let declaration: &VariableDeclaration<'a> = match statement {
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::VariableDeclaration(declaration) => declaration,
            _ => return None,
        },
        Statement::VariableDeclaration(declaration) => declaration,
        _ => return None,
    };
    let names_meta = declaration.declarations.iter().any(|declarator| {
        declarator.id.get_binding_identifier().is_some_and(|id| id.name.as_str() == "meta")
    });
    let alone = declaration.declarations.len() == 1 && declaration.kind.is_const();
    let init = declaration.declarations.first().and_then(|declarator| declarator.init.as_ref());
    names_meta.then_some((init.filter(|_| alone), declaration.span))
}

struct ModuleShape<'t> {
    text: &'t str,
    found: Vec<Diagnostic>,
}

impl ModuleShape<'_> {
    fn check(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::ImportDeclaration(import) => self.refuse_import(import.span),
            Statement::ExportAllDeclaration(_)
            | Statement::ExportNamedDeclaration(_)
            | Statement::ExportFromDeclaration(_)
            | Statement::ExportDeclaration(_) => {
                let diagnostic = error(
                    self.text,
                    head(statement.span()),
                    "script::export",
                    "only `meta` can be exported",
                )
                .with_help("remove `export`; the script's result is what it returns");
                self.found.push(diagnostic);
            }
            _ => {}
        }
    }

    fn refuse_import(&mut self, span: Span) {
        let diagnostic = error(
            self.text,
            span,
            "script::import",
            "workflow scripts cannot import: there are no modules, files or network",
        )
        .with_help("do the work in an agent, or pass data in through args");
        self.found.push(diagnostic);
    }
}

impl<'a> Visit<'a> for ModuleShape<'_> {
    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        let diagnostic = error(
            self.text,
            it.span,
            "script::dynamic-import",
            "import() is not available in workflow scripts",
        )
        .with_help("do the work in an agent, or pass data in through args");
        self.found.push(diagnostic);
        walk::walk_import_expression(self, it);
    }

    fn visit_import_meta(&mut self, it: &ImportMeta) {
        self.refuse_import(it.span);
    }
}

fn error(text: &str, span: Span, code: &str, message: &str) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message).with_place(place(text, span))
}

/// The first characters of a long span, so that a report marks a line and not a page.
fn head(span: Span) -> Span {
    Span::new(span.start, span.end.min(span.start + 40))
}
