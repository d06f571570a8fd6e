"""The shape of the DuckDB store as version 0.1 made it: steps 1 to 5. Never changed; `migrations` has what came after.

Knows: SQL, and nothing else.
"""

from __future__ import annotations

STEPS: tuple[str, ...] = (
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
)
