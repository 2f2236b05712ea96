//! Leads a task to a scheme, stage by stage, until it is done or the watch says so.

use super::{Method, Task, Watch};
use serde::{Deserialize, Serialize};
use strassenc::discover::additions::Count;
use strassenc::discover::gradient::{self, Recipe};
use strassenc::discover::{Additions, Scheme, Search, Shape, join, kronecker, search};
use strassenc_runtime::{Error, Result};

/// How far a task is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// Nothing is done.
    Begin,
    /// Walks look for the rank.
    Walks(Box<Search>),
    /// This many attempts by gradient descent have failed.
    Attempts(u64),
    /// The rank is found; the search for few additions is under way.
    Additions(Scheme, Box<Additions>),
}

/// What came of a task.
pub struct Solved {
    /// The scheme, verified.
    pub scheme: Scheme,
    /// The additions of the scheme, where few were asked for.
    pub additions: Option<Count>,
    /// What the search took.
    pub effort: Effort,
    /// The stage to go on from, where the search was cut short.
    pub unfinished: Option<Stage>,
}

/// What a search took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Effort {
    /// Schemes looked at.
    pub schemes: u64,
    /// How often walks began again, or attempts were made.
    pub restarts: u64,
    /// Whether a time limit or the user cut it short.
    pub cut_short: bool,
}

impl Stage {
    /// Checks a stage that was read from a file.
    pub fn validate(&self, task: &Task) -> Result<()> {
        let other = || Error::input("stage", "is not one of this task");
        match (self, task.method) {
            (Stage::Begin, _) | (Stage::Attempts(_), Method::Gradient) => Ok(()),
            (Stage::Walks(search), Method::FlipGraph | Method::Extend)
                if search.is_of(task.shape, goal(task)) =>
            {
                search.validate()
            }
            (Stage::Walks(search), Method::Extend)
                if join::extension(task.shape)
                    .is_some_and(|(_, [part, _])| search.is_of(part, known(part))) =>
            {
                search.validate()
            }
            (Stage::Additions(scheme, additions), _)
                if task.fewest_additions && scheme.shape == task.shape =>
            {
                scheme.verify()?;
                additions.validate(scheme)
            }
            _ => Err(other()),
        }
    }
}

/// The rank that a part of a shape is walked to.
fn known(shape: Shape) -> usize {
    search::known_rank(shape).unwrap_or(shape.schoolbook())
}

/// The rank to walk to.
fn goal(task: &Task) -> usize {
    task.rank.unwrap_or(1)
}

/// Solves the task from `stage` on.
pub fn solve(task: &Task, stage: Stage, watch: &Watch) -> Result<Solved> {
    let mut effort = Effort::default();
    let (scheme, additions) = match stage {
        Stage::Additions(scheme, additions) => (scheme, *additions),
        stage => {
            let (scheme, unfinished) = find(task, stage, watch, &mut effort)?;
            scheme.verify()?;
            let short = unfinished.is_some() || watch.is_over();
            if short || !task.fewest_additions {
                // Without a rank to reach the time limit is the end, and nothing is left undone.
                effort.cut_short = watch.is_over() && task.rank.is_some();
                return Ok(Solved { scheme, additions: None, effort, unfinished });
            }
            let additions = Additions::new(&scheme, task.seed);
            (scheme, additions)
        }
    };
    fewest(task, scheme, additions, watch, effort)
}

/// A scheme of the rank, or the best one and the stage to go on from.
fn find(
    task: &Task,
    stage: Stage,
    watch: &Watch,
    effort: &mut Effort,
) -> Result<(Scheme, Option<Stage>)> {
    match task.method {
        Method::Schoolbook => Ok((Scheme::schoolbook(task.shape), None)),
        Method::Kronecker => composed(task, watch, effort),
        Method::Gradient => learned(task, stage, watch, effort),
        Method::Extend => extended(task, stage, watch, effort),
        Method::FlipGraph => {
            let search = match stage {
                Stage::Walks(search) => *search,
                _ => Search::new(task.shape, goal(task), task.seed),
            };
            let search = walked(search, goal(task), watch, effort);
            let scheme = search.best().clone();
            let short = scheme.rank() > goal(task);
            Ok((scheme, short.then(|| Stage::Walks(Box::new(search)))))
        }
    }
}

/// Rounds until the rank is reached or the time is over.
fn walked(mut search: Search, rank: usize, watch: &Watch, effort: &mut Effort) -> Search {
    let shape = search.best().shape;
    while !watch.is_over() && !search.round() {
        let reached = search.reached();
        let text = format!(
            "{shape}: rank {} (wanted {rank}), {} restarts",
            reached.rank, reached.restarts
        );
        watch.show(text, reached.flips);
    }
    let reached = search.reached();
    effort.schemes += reached.flips;
    effort.restarts += reached.restarts;
    search
}

/// A scheme of the shape that is smaller by one, then of the shape itself, from there.
fn extended(
    task: &Task,
    stage: Stage,
    watch: &Watch,
    effort: &mut Effort,
) -> Result<(Scheme, Option<Stage>)> {
    let (side, [part, rest]) = join::extension(task.shape).ok_or_else(|| {
        let cause = "extends no smaller shape whose rank stands in our table";
        Error::input(format_args!("shape `{}`", task.shape), cause)
            .help("--method flip-graph needs none")
    })?;
    let search = match stage {
        Stage::Walks(search) if search.best().shape == task.shape => *search,
        stage => {
            let search = match stage {
                Stage::Walks(search) => *search,
                _ => Search::new(part, known(part), task.seed),
            };
            let search = walked(search, known(part), watch, effort);
            let start = join::join(side, [search.best(), &Scheme::schoolbook(rest)]);
            start.verify()?;
            if search.best().rank() > known(part) {
                return Ok((start, Some(Stage::Walks(Box::new(search)))));
            }
            Search::from(&start, goal(task), task.seed)
        }
    };
    let search = walked(search, goal(task), watch, effort);
    let scheme = search.best().clone();
    let short = scheme.rank() > goal(task);
    Ok((scheme, short.then(|| Stage::Walks(Box::new(search)))))
}

/// Attempts until one succeeds or the time is over; then the schoolbook scheme is the best there
/// is.
fn learned(
    task: &Task,
    stage: Stage,
    watch: &Watch,
    effort: &mut Effort,
) -> Result<(Scheme, Option<Stage>)> {
    let (shape, rank) = (task.shape, goal(task));
    let mut made = if let Stage::Attempts(made) = stage { made } else { 0 };
    while !watch.is_over() {
        let (scheme, attempts) =
            gradient::attempts(shape, rank, &Recipe::default(), task.seed, made);
        made += attempts;
        effort.restarts = made;
        if let Some(scheme) = scheme {
            return Ok((scheme, None));
        }
        watch.show(format!("{shape}: no scheme of rank {rank} in {made} attempts"), made);
    }
    Ok((Scheme::schoolbook(shape), Some(Stage::Attempts(made))))
}

/// The composition of least rank, of schemes that flip-graph finds for both parts.
fn composed(task: &Task, watch: &Watch, effort: &mut Effort) -> Result<(Scheme, Option<Stage>)> {
    let least = |(outer, inner): &(Shape, Shape)| known(*outer) * known(*inner);
    let (outer, inner) =
        kronecker::splits(task.shape).into_iter().min_by_key(least).ok_or_else(|| {
            let cause = "is no product of smaller shapes";
            Error::input(format_args!("shape `{}`", task.shape), cause)
                .help("--method flip-graph needs none")
        })?;
    let mut part = |shape: Shape| {
        let search =
            walked(Search::new(shape, known(shape), task.seed), known(shape), watch, effort);
        search.best().clone()
    };
    let outer_scheme = part(outer);
    let inner_scheme = if inner == outer { outer_scheme.clone() } else { part(inner) };
    let short = outer_scheme.rank() > known(outer) || inner_scheme.rank() > known(inner);
    Ok((kronecker::compose(&outer_scheme, &inner_scheme)?, short.then_some(Stage::Begin)))
}

/// Rounds of the search for few additions, and what the adder-graph optimiser makes of its best.
fn fewest(
    task: &Task,
    scheme: Scheme,
    mut search: Additions,
    watch: &Watch,
    mut effort: Effort,
) -> Result<Solved> {
    let mut done = false;
    while !watch.is_over() && !done {
        done = search.round();
        let (rounds, schemes) = search.reached();
        let text = format!(
            "{}: rank {}, about {} additions, round {rounds}",
            task.shape,
            scheme.rank(),
            search.estimate()
        );
        watch.show(text, schemes);
    }
    effort.schemes += search.reached().1;
    effort.cut_short = !done;
    let (best, additions) = search.best()?;
    let unfinished = (!done).then(|| Stage::Additions(scheme, Box::new(search)));
    Ok(Solved { scheme: best, additions: Some(additions), effort, unfinished })
}
