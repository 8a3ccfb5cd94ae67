//! Which columns are chosen, and what is said when none can be.

use super::*;

fn choose(csv: &str, wishes: &Wishes) -> Result<Columns> {
    let mut lines = csv.lines();
    let split = |line: &str| line.split(',').map(str::to_owned).collect::<Fields>();
    let names = split(lines.next().unwrap());
    let mut sample: Vec<_> = lines.map(split).collect();
    let whole = |_: usize| Ok(None);
    let units = unit::take(&mut sample, names.len());
    let head = Head { names, sample: &sample, units, delimiter: b',', whole: &whole };
    Columns::choose(head, wishes)
}

fn subject(entity: &[usize], distinct: Option<usize>) -> Subject {
    Subject { entity: entity.to_vec(), distinct }
}

fn auto(csv: &str) -> Columns {
    choose(csv, &Wishes::default()).unwrap()
}

#[test]
fn a_time_and_a_value_are_found() {
    let columns = auto("timestamp,value\n2014-04-01 00:00:00,20\n2014-04-01 00:05:00,21");
    assert_eq!(columns.time, Some((0, Form::Calendar)));
    assert_eq!(columns.values, [1]);
    assert_eq!(columns.subjects, [Subject::default()]);
}

#[test]
fn epoch_numbers_in_order_are_a_time_whatever_their_name() {
    let columns = auto("a,b\n1396310400,5\n1396310460,2");
    assert_eq!(columns.time, Some((0, Form::Epoch(1_000_000_000))));
    let columns = auto("a,b\n5,1396310460\n6,1396310400");
    assert_eq!(columns.time, None, "out of order: large numbers, not a time");
}

#[test]
fn without_a_time_there_are_only_values() {
    let columns = auto("x,y\n1,3\n5,4\n2,6");
    assert_eq!((columns.time, columns.values), (None, vec![0, 1]));
}

#[test]
fn a_column_that_counts_rows_is_no_value_unless_it_is_alone() {
    let csv = "timestamp,tx,customer,terminal,amount\n\
                   2018-04-01 00:00:31,0,596,3156,57.16\n\
                   2018-04-01 00:02:10,1,4961,3412,81.51\n\
                   2018-04-01 00:07:56,2,2,1365,146.00";
    let columns = auto(csv);
    assert_eq!(columns.values, [4]);
    assert_eq!(columns.ignored.len(), 1);
    assert_eq!(auto("n\n1\n2\n3").values, [0]);
    let one = choose(csv, &Wishes { one_entity: true, ..Wishes::default() }).unwrap();
    assert!(!one.has_entities());
    assert_eq!(one.values, [2, 3, 4]);
}

#[test]
fn wishes_are_granted_or_refused_with_what_there_is() {
    let csv = "when,host,cpu,mem\n2020-01-01,a,1,2\n2020-01-02,b,3,4";
    let wishes = Wishes {
        time: Some("when".to_owned()),
        values: vec!["mem".to_owned()],
        entity: vec!["host".to_owned(), "cpu".to_owned()],
        ..Wishes::default()
    };
    let columns = choose(csv, &wishes).unwrap();
    assert_eq!((columns.values, columns.subjects), (vec![3], vec![subject(&[1, 2], None)]));
    let missing = Wishes { values: vec!["disk".to_owned()], ..Wishes::default() };
    let error = choose(csv, &missing).unwrap_err().to_string();
    assert!(error.contains("\"disk\"") && error.contains("cpu"), "{error}");
    let odd = Wishes { time: Some("host".to_owned()), ..Wishes::default() };
    assert!(choose(csv, &odd).unwrap_err().to_string().contains("no time"));
}

#[test]
fn a_file_without_numbers_says_why() {
    let error = choose("a,b\nx,y", &Wishes::default()).unwrap_err().to_string();
    assert!(error.contains("\"a\" is not numbers, as \"x\""), "{error}");
    let error = choose("a,b\n,y", &Wishes::default()).unwrap_err().to_string();
    assert!(error.contains("\"a\" is empty"), "{error}");
}

#[test]
fn entities_without_numbers_are_counted() {
    let columns = auto("time,user,ip\n2020-01-01,a,1.2.3.4\n2020-01-02,b,1.2.3.5");
    assert_eq!(columns.values, [0usize; 0]);
    assert_eq!(columns.subjects, [subject(&[1], Some(2)), subject(&[2], Some(1))]);
    assert!(choose("user,note\na,x\nb,y", &Wishes::default()).is_err(), "nothing to count by");
}

#[test]
fn what_is_counted_as_distinct_is_no_value_and_no_entity() {
    let csv = "date,user,ip,port\n2020-01-01,a,1.2.3.4,80\n2020-01-02,b,1.2.3.5,443";
    let port = Wishes { distinct: Some("port".to_owned()), ..Wishes::default() };
    let columns = choose(csv, &port).unwrap();
    assert_eq!((columns.values, columns.subjects), (vec![], vec![subject(&[1], Some(3))]));
    let user = Wishes { distinct_if_there: Some("user".to_owned()), ..Wishes::default() };
    let columns = choose(csv, &user).unwrap();
    assert_eq!((columns.values, columns.subjects), (vec![3], vec![subject(&[2], Some(1))]));
    let absent = Wishes { distinct_if_there: Some("host".to_owned()), ..Wishes::default() };
    assert_eq!(choose(csv, &absent).unwrap(), auto(csv));
    let missing = Wishes { distinct: Some("host".to_owned()), ..Wishes::default() };
    assert!(choose(csv, &missing).unwrap_err().to_string().contains("\"host\""));
}

#[test]
fn each_column_called_an_entity_is_one_and_counts_the_next() {
    let cards = auto("customer,terminal,amount\n1,7,3.5\n2,7,4.5\n1,8,2.5");
    assert_eq!(cards.subjects, [subject(&[0], Some(1)), subject(&[1], Some(0))]);
    assert_eq!((cards.values.as_slice(), cards.ignored.len()), (&[2][..], 0));
    assert_eq!(cards.label(1, "7"), "terminal=7");
    let many = auto("user,host,device,service,ip,ms\na,b,c,d,e,5\nb,c,d,e,f,2");
    let entities: Vec<_> = many.subjects.iter().map(|subject| subject.entity[0]).collect();
    let counted: Vec<_> = many.subjects.iter().map(|subject| subject.distinct).collect();
    assert_eq!(entities, [0, 1, 2, 3]);
    assert_eq!(counted, [Some(1), Some(2), Some(3), Some(0)]);
    assert_eq!(many.ignored, [(4, "names something, as another column does".into())]);
}

#[test]
fn entities_that_were_asked_for_are_joined_and_their_names_stay_bare() {
    let csv = "customer,terminal,amount\n1,7,3.5\n2,7,4.5";
    let names = vec!["customer".to_owned(), "terminal".to_owned()];
    let joined = choose(csv, &Wishes { entity: names, ..Wishes::default() }).unwrap();
    assert_eq!(joined.subjects, [subject(&[0, 1], None)]);
    assert_eq!(joined.label(0, "1/7"), "1/7");
    let counted = Wishes { distinct: Some("terminal".to_owned()), ..Wishes::default() };
    assert_eq!(choose(csv, &counted).unwrap().subjects, [subject(&[0], Some(1))]);
}

#[test]
fn a_date_that_may_mean_two_days_asks_for_its_order() {
    let csv = "date,v\n01/02/2020,1\n02/02/2020,2";
    let error = choose(csv, &Wishes::default()).unwrap_err().to_string();
    assert!(error.contains("\"date\"") && error.contains("--time-format dmy"), "{error}");
    let wished = Wishes { form: Some(Form::MonthFirst), ..Wishes::default() };
    assert_eq!(choose(csv, &wished).unwrap().time, Some((0, Form::MonthFirst)));
    let telling = "date,v\n13/02/2020,1\n14/02/2020,2";
    assert_eq!(auto(telling).time, Some((0, Form::DayFirst)));
    let error = choose(telling, &wished).unwrap_err().to_string();
    assert!(error.contains("no column of times is month, day, year"), "{error}");
}

#[test]
fn a_time_that_cannot_be_read_is_told_apart_from_other_texts() {
    let columns = auto("time,kind,v\nnoon,a,1\nlate,b,3");
    let whys: Vec<_> = columns.ignored.iter().map(|(_, why)| why.as_ref()).collect();
    assert!(whys[0].contains("called a time") && whys[0].contains("\"noon\""), "{whys:?}");
    assert_eq!(whys[1], "not numbers, as \"a\"");
}

#[test]
fn a_table_of_one_column_says_what_separates_fields() {
    let error = choose("a^b\nx^1", &Wishes::default()).unwrap_err().to_string();
    assert!(error.contains("separated by"), "{error}");
}

#[test]
fn what_stands_for_nothing_is_no_text() {
    let rows = ["?", "#N/A", "\\N", "<NA>", "--", "nil", "7", "N.A.", "."];
    let columns = auto(&format!("v\n{}\n9", rows.join("\n")));
    assert_eq!(columns.values, [0]);
}

#[test]
fn some_missing_values_do_not_hide_a_column() {
    let columns = auto("timestamp,v\n2020-01-01,\n2020-01-02,NaN\n2020-01-03,4");
    assert_eq!(columns.values, [1]);
}
