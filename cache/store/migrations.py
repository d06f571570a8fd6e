"""The shape of the DuckDB store, one numbered step after another.

A step that was ever released is never changed: the next change is a new step at the end. Knows SQL, and nothing else.
Tables are only ever appended to; what holds now is a view over what was appended last.
"""

from __future__ import annotations

#: Every table that is appended to, so that rows kept in memory can be moved to the file later.
TABLES: tuple[str, ...] = (
    *("audits", "saved_sets", "runs", "run_rows", "run_states"),
    *("defences", "defence_cells", "judgements"),
    *("neuronpedia_pages", "neuronpedia_batches"),
    *("studies", "study_items", "study_annotations"),
)

MIGRATIONS: tuple[str, ...] = (
    # 1: one row per audited prompt and edit set, and named edit sets too long for a link.
    """
    create table audits (
        made_at timestamp not null,            -- UTC
        model varchar not null,
        revision varchar not null,
        dtype varchar not null,
        device varchar not null,
        direction varchar not null,       -- digest of the refusal direction, empty without one
        prompt varchar not null,
        edits varchar not null,           -- as in a link: 12-40,14-7=6@bos
        score_before double not null,
        score_after double not null,
        p_before double not null,
        p_after double not null,
        kl double,                        -- nats, mean over kl_prompts benign prompts
        kl_prompts integer not null,
        verdict_before varchar not null,  -- empty where no answer was generated
        verdict_after varchar not null,
        tokens integer not null,          -- longest answer asked for
        answer_before varchar,            -- null unless the person chose to keep answers
        answer_after varchar
    );
    create view latest_audits as
        select * from audits
        qualify row_number() over (partition by model, prompt, edits order by made_at desc, rowid desc) = 1;
    create table saved_sets (
        made_at timestamp not null,
        model varchar not null,
        name varchar not null,
        edits varchar not null
    );
    create view latest_sets as
        select * from saved_sets
        qualify row_number() over (partition by model, name order by made_at desc, rowid desc) = 1;
    """,
    # 2: runs of the search. What a run found is JSON, one row an item of a stage; a run's state is its last row.
    """
    create table runs (
        made_at timestamp not null,
        run varchar not null,
        name varchar not null,
        model varchar not null,
        revision varchar not null,
        dtype varchar not null,
        device varchar not null,
        direction varchar not null,
        saes varchar not null,            -- layer:name of each SAE, comma-separated
        judge varchar not null,
        prompts varchar not null,         -- digest of the prompts
        inputs varchar not null,          -- the prompts themselves, JSON
        settings varchar not null         -- JSON
    );
    create table run_rows (
        made_at timestamp not null,
        run varchar not null,
        stage varchar not null,
        item varchar not null,
        value varchar not null,           -- JSON
        error varchar not null            -- a sentence where the item failed
    );
    create table run_states (
        made_at timestamp not null,
        run varchar not null,
        state varchar not null,           -- running, paused, stopped, finished, failed
        note varchar not null
    );
    create view latest_run_states as
        select * from run_states
        qualify row_number() over (partition by run order by made_at desc, rowid desc) = 1;
    """,
    # 3: evaluations of a clamp as a defence: what was asked, and one row a cell, written when it is done.
    """
    create table defences (
        made_at timestamp not null,
        defence varchar not null,
        model varchar not null,
        revision varchar not null,
        dtype varchar not null,
        device varchar not null,
        direction varchar not null,       -- digest of the refusal direction, empty without one
        saes varchar not null,            -- layer:name of each SAE, comma-separated
        judge varchar not null,
        asked varchar not null            -- features, values, attack and prompts, JSON
    );
    create table defence_cells (
        made_at timestamp not null,
        defence varchar not null,
        clamp integer not null,           -- number of the value
        prompts varchar not null,         -- attacked, benign or look-alikes
        edits varchar not null,           -- as in a link
        verdicts varchar not null         -- one a prompt, comma-separated
    );
    """,
    # 4: judgements, one row an answer judged. What judged it, under which revision, is what it is looked up by.
    """
    create table judgements (
        made_at timestamp not null,
        judge varchar not null,
        revision varchar not null,        -- a hub's commit, a digest of files, or the rules' own number
        prompt_hash varchar not null,     -- sha256
        prompt varchar not null,
        answer_hash varchar not null,     -- sha256
        answer varchar,                   -- null unless the person chose to keep answers
        verdict varchar,                  -- refused, complied, degenerate; null from a classifier of harm
        harmful varchar,                  -- yes, no, unclear; null from a judge of refusals
        raw varchar not null,             -- what a classifier wrote
        score double,
        categories varchar not null       -- of harm, comma-separated
    );
    create view latest_judgements as
        select * from judgements
        qualify row_number() over (
            partition by judge, revision, prompt_hash, answer_hash order by made_at desc, rowid desc
        ) = 1;
    """,
    # 5: what Neuronpedia knows of features: pages looked up one by one, and bulk files, a row a file.
    """
    create table neuronpedia_pages (
        made_at timestamp not null,
        source varchar not null,          -- model/source, as in the page's address
        feature integer not null,
        site varchar not null,            -- where it was asked
        found boolean not null,           -- false: there is no such page
        label varchar not null,           -- empty where nobody explained it
        page varchar not null             -- the rest of what is kept of the page, JSON
    );
    create view latest_neuronpedia_pages as
        select * from neuronpedia_pages
        qualify row_number() over (partition by source, feature order by made_at desc, rowid desc) = 1;
    create table neuronpedia_batches (
        made_at timestamp not null,
        source varchar not null,
        batch integer not null,
        site varchar not null,
        features integer[] not null,
        labels varchar[] not null,
        explained_by varchar[] not null,  -- the explaining model
        kinds varchar[] not null          -- and its method
    );
    create view latest_neuronpedia_batches as
        select * from neuronpedia_batches
        qualify row_number() over (partition by source, batch order by made_at desc, rowid desc) = 1;
    create view neuronpedia_labels as     -- one row an explanation; a feature may have one in two files
        select source, batch, made_at, site, unnest(features) as feature, unnest(labels) as label,
               unnest(explained_by) as explained_by, unnest(kinds) as kind
        from latest_neuronpedia_batches;
    """,
    # 6: the versions of what computed a run or an evaluation; empty for those from before this step.
    """
    alter table runs add column versions varchar default '';
    alter table defences add column versions varchar default '';
    """,
    # 7: which revision of a judge gave the verdicts, and how far it agrees with people; a judgement's reason and flags.
    """
    alter table runs add column judge_revision varchar default '';
    alter table runs add column kappa double;             -- with people's labels; null where that was not measured
    alter table runs add column kappa_n integer;
    alter table defences add column judge_revision varchar default '';
    alter table defences add column kappa double;
    alter table defences add column kappa_n integer;
    drop view latest_audits;
    alter table audits add column judge varchar default '';           -- empty for those from before this step
    alter table audits add column judge_revision varchar default '';
    alter table audits add column kappa double;
    alter table audits add column kappa_n integer;
    create view latest_audits as
        select * from audits
        qualify row_number() over (partition by model, prompt, edits order by made_at desc, rowid desc) = 1;
    drop view latest_judgements;
    alter table judgements add column reason varchar default '';
    alter table judgements add column looping boolean default false;
    alter table judgements add column delayed boolean default false;
    create view latest_judgements as
        select * from judgements
        qualify row_number() over (
            partition by judge, revision, prompt_hash, answer_hash order by made_at desc, rowid desc
        ) = 1;
    """,
    # 8: the readings of the paper that runs took before there were settings for them. What a run kept itself holds.
    """
    update runs set settings = cast(json_merge_patch(
        '{"k_beside": [], "layers_counted_from": 1, "main_threshold": 0.0, "step_two": "left out", "control_draws": 0,
          "unaligned_cosine": 0.1, "machine_first_layer": 0, "scaling": "all", "nearness": "highest",
          "machine_seeds": 1, "patience": 0}',
        settings
    ) as varchar);
    """,
    # 9: how well reference answers are predicted in a cell; empty for those from before this step.
    """
    alter table defence_cells add column gaps varchar default '';  -- NLL unedited, edited, reference, floor: JSON
    """,
    # 10: the 95% interval of an audit's KL, and how well the edits bring a reference answer back; null where they were
    # not measured, and for those from before this step. The recovery follows from the three NLLs, nats a token.
    """
    drop view latest_audits;
    alter table audits add column kl_low double;
    alter table audits add column kl_high double;
    alter table audits add column nll_unedited double;
    alter table audits add column nll_edited double;
    alter table audits add column nll_reference double;           -- under the model that wrote the answer
    alter table audits add column nll_floor boolean;              -- that one is not known, and counted as 0
    alter table audits add column reference_by varchar default '';  -- who wrote the answer, empty where not known
    create view latest_audits as
        select * from audits
        qualify row_number() over (partition by model, prompt, edits order by made_at desc, rowid desc) = 1;
    """,
    # 11: studies with people. A study's items are as they were when it was made; every click of an annotator is a row.
    """
    create table studies (
        made_at timestamp not null,
        study varchar not null,
        name varchar not null,
        kind varchar not null,            -- features or answers
        model varchar not null,           -- empty for answers of a file
        labels varchar not null,          -- what may be chosen, JSON
        facts varchar not null,           -- where items and truths are from, JSON
        notes varchar not null            -- what could not be had as wanted, JSON
    );
    create table study_items (
        made_at timestamp not null,
        study varchar not null,
        item integer not null,            -- its number, from 0
        value varchar not null            -- what is shown, and what should be chosen, JSON
    );
    create table study_annotations (
        made_at timestamp not null,
        study varchar not null,
        annotator varchar not null,
        item integer not null,
        choice varchar not null,          -- labels, JSON
        done boolean not null,            -- whether the annotator went on from there
        visit varchar not null            -- which browser tab it came from
    );
    create view latest_study_annotations as
        select * from study_annotations
        qualify row_number() over (partition by study, annotator, item order by rowid desc) = 1;
    """,
    # 12: what was appended last holds, whatever the clock said: a clock that is set back made older rows the latest.
    """
    drop view latest_audits;
    create view latest_audits as
        select * from audits
        qualify row_number() over (partition by model, prompt, edits order by rowid desc) = 1;
    drop view latest_sets;
    create view latest_sets as
        select * from saved_sets
        qualify row_number() over (partition by model, name order by rowid desc) = 1;
    drop view latest_run_states;
    create view latest_run_states as
        select * from run_states
        qualify row_number() over (partition by run order by rowid desc) = 1;
    drop view latest_judgements;
    create view latest_judgements as
        select * from judgements
        qualify row_number() over (partition by judge, revision, prompt_hash, answer_hash order by rowid desc) = 1;
    drop view latest_neuronpedia_pages;
    create view latest_neuronpedia_pages as
        select * from neuronpedia_pages
        qualify row_number() over (partition by source, feature order by rowid desc) = 1;
    drop view latest_neuronpedia_batches;
    create view latest_neuronpedia_batches as
        select * from neuronpedia_batches
        qualify row_number() over (partition by source, batch order by rowid desc) = 1;
    """,
    # 13: digests of the weights and SAEs that computed a run or an evaluation; empty for those from before this step.
    """
    alter table runs add column weights varchar default '';
    alter table runs add column sae_digests varchar default '';   -- layer:digest of each SAE, comma-separated
    alter table defences add column weights varchar default '';
    alter table defences add column sae_digests varchar default '';
    """,
    # 14: what an audit's prompt was asked after. Rows from before this step are read as single prompts.
    """
    drop view latest_audits;
    alter table audits add column turns varchar default '';   -- a conversation's earlier turns, JSON, the user's first
    alter table audits add column thinking boolean;           -- null for a model without that switch, or not known
    alter table audits add column system varchar;             -- null as the chat template writes it, empty without it
    create view latest_audits as
        select * from audits
        qualify row_number() over (partition by model, prompt, turns, thinking, system, edits order by rowid desc) = 1;
    """,
)
