"""The shape of the DuckDB store, one numbered step after another.

A step that was ever released is never changed: the next change is a new step at the end. Knows SQL, and nothing else;
the first steps are in `steps_of_0_1`.
Tables are only ever appended to; what holds now is a view over what was appended last.
"""

from __future__ import annotations

from cache.store import steps_of_0_1

#: Every table that is appended to, so that rows kept in memory can be moved to the file later.
TABLES: tuple[str, ...] = (
    *("audits", "saved_sets", "runs", "run_rows", "run_states"),
    *("defences", "defence_cells", "judgements"),
    *("neuronpedia_pages", "neuronpedia_batches"),
    *("studies", "study_items", "study_annotations"),
)

MIGRATIONS: tuple[str, ...] = (
    *steps_of_0_1.STEPS,
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
    # 15: digests of the weights and SAEs that gave an audit, or that were loaded when a set was saved; empty for those
    # from before this step. Audits and sets of other files stand beside each other.
    """
    drop view latest_audits;
    alter table audits add column weights varchar default '';
    alter table audits add column sae_digests varchar default '';       -- layer:digest of each SAE, comma-separated
    create view latest_audits as
        select * from audits
        qualify row_number() over (
            partition by model, weights, sae_digests, prompt, turns, thinking, system, edits order by rowid desc
        ) = 1;
    drop view latest_sets;
    alter table saved_sets add column weights varchar default '';
    alter table saved_sets add column sae_digests varchar default '';
    create view latest_sets as
        select * from saved_sets
        qualify row_number() over (partition by model, name, weights, sae_digests order by rowid desc) = 1;
    """,
)
