use super::TODAY;
use flyball::app::pricing::{PricingScene, run};
use flyball::cli::pricing::*;
#[test]
fn peek() {
    let files = flyball::pricing::shipped_files();
    let dir = std::path::Path::new("/tmp/fb/pr");
    let scene = PricingScene { files: &files, working_folder: dir, today: TODAY, width: 80 };
    let go = |command| match run(&PricingArgs { command }, &scene) {
        Ok(o) => println!("{}{}", o.stdout, o.stderr),
        Err(e) => println!("ERR {} {e}", e.exit_code()),
    };
    go(PricingCommand::List(PricingList::default()));
    for m in ["haiku", "us.anthropic.claude-opus-4-8", "gemini-4-argon", "claude-haiku-55"] {
        go(PricingCommand::Show(PricingShow {
            model: m.into(),
            provider: "anthropic".into(),
            at: None,
            format: PricingFormat::Table,
        }));
    }
    go(PricingCommand::Check(PricingCheck::default()));
    for f in [
        "/tmp/fb/dl/x/litellm/litellm/model_prices_and_context_window_backup.json",
        "/tmp/fb/dl/x/model_prices/model_prices/snapshot.json",
        "/tmp/fb/pr/genai.json",
    ] {
        let w = std::path::PathBuf::from(format!("/tmp/fb/pr/{}.toml", f.len()));
        let _ = std::fs::remove_file(&w);
        go(PricingCommand::Import(PricingImport {
            from: f.into(),
            write: Some(w),
            ..PricingImport::default()
        }));
    }
}
